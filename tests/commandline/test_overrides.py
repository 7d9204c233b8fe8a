"""`providers.toml` beside the commands: it decides what they say, and a wrong one ends every start."""

from pathlib import Path

from tests.commandline.rig import Ran, several

OWN = """
[apiyi]
paths = { text = "/videos/text" }

[apiyi.tiers.fast]
model = "ep-20261101"

[apiyi.tiers.fast.price]
usd_per_second = "0.12"

[ark.tiers.fast.price]
usd_per_second = "0.12"
"""
WRONG = '[ark.tiers.fast.price]\nusd_per_second = "dear"\n'
FAULT = "providers.toml: line 2: ark.tiers.fast.price.usd_per_second: must be a number such as 0.12"


def beside(folder: Path, text: str, *commands: tuple[str, ...]) -> list[Ran]:
    (folder / "data").mkdir()
    (folder / "data" / "providers.toml").write_text(text)
    return several(folder, *commands)


def test_the_operators_row_decides_quote_model_path_and_table(tmp_path: Path) -> None:
    dry, listed = beside(
        tmp_path, OWN, ("generate", "a fox", "--provider", "apiyi", "--dry-run", "--json"), ("providers", "--json")
    )
    told = dry.value
    assert (dry.status, told["quote_usd"], told["model"]) == (0, "0.60", "ep-20261101")
    assert told["request"]["url"] == "https://api.apiyi.com/seedance/v1/videos/text"
    assert told["request"]["body"]["model"] == "ep-20261101"
    prices = {(entry["provider"], entry["tier"]): entry["price"] for entry in listed.value}
    assert [prices["ark", tier]["is_estimate"] for tier in ("fast", "standard")] == [False, True]
    assert (prices["ark", "fast"]["usd"], prices["ark", "fast"]["source"]) == ("0.60", "this server's operator")


def test_a_wrong_row_ends_every_start_with_its_line(tmp_path: Path) -> None:
    starts = [("providers",), ("generate", "a fox"), ("generate", "a fox", "--dry-run"), ("run",)]
    for ran in beside(tmp_path, WRONG, *starts):
        assert (ran.status, ran.out, ran.sentences) == (3, "", [FAULT])
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["providers.toml"]


def test_doctor_tells_a_wrong_row_as_a_check(tmp_path: Path) -> None:
    (ran,) = beside(tmp_path, WRONG, ("doctor", "--json"))
    failed = [check for check in ran.value["checks"] if check["verdict"] == "failed"]
    assert (ran.status, [(check["name"], check["detail"]) for check in failed]) == (3, [("settings", FAULT)])
