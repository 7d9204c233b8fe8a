"""`dailies providers`: the table people choose by is the data that decides."""

from pathlib import Path

from bot.commandline.providers import HEADINGS, aligned, markdown, price_of
from bot.domain.requests import Tier
from bot.wiring.accounts import ROWS
from tests.commandline.rig import several

README = Path(__file__).parents[2] / "README.md"


def test_the_readmes_table_is_made_from_the_rows() -> None:
    assert markdown(ROWS) in README.read_text(encoding="utf-8")


def test_every_tier_of_every_provider_is_listed(tmp_path: Path) -> None:
    text, listed = several(tmp_path, ("providers",), ("providers", "--json"))
    assert (text.status, listed.status) == (0, 0)
    tiers = [(row.provider, tier.value) for row in ROWS.values() for tier in row.tiers]
    assert [tuple(line.split()[:2]) for line in text.out.splitlines()[1:]] == tiers
    assert [(entry["provider"], entry["tier"]) for entry in listed.value] == tiers
    assert {entry["provider"]: entry["price"]["is_estimate"] for entry in listed.value}["ark"] is True
    assert {entry["provider"]: entry["price"]["usd"] for entry in listed.value}["unifically"] == "0.40"


def test_a_price_is_for_the_length_nearest_to_five_seconds() -> None:
    assert [price_of(ROWS[name], Tier.STANDARD).seconds for name in ("byteplus", "apiframe")] == [5, 4]


def test_columns_stand_under_their_headings() -> None:
    lines = aligned([HEADINGS, ("a", "b" * 20, "", "", "", "", "", "end")])
    assert lines[0].index("a clip of") == lines[1].index("end")
