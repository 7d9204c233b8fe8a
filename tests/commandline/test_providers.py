"""`dailies providers`: the table people choose by is the data that decides."""

from pathlib import Path

from bot.commandline.providers import ACCOUNT_HEADINGS, HEADINGS, account_markdown, aligned, markdown, price_of
from bot.domain.requests import Tier
from bot.wiring.accounts import ROWS
from tests.commandline.rig import several

ROOT = Path(__file__).parents[2]
KEYS = (
    "provider title tier model resolutions durations aspects references references_total transports frames sound "
    "options prompt_chars_max price limits cancels lists calls_back retention_seconds source read_on"
)


def test_the_readmes_table_is_made_from_the_rows() -> None:
    assert markdown(ROWS) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_page_on_providers_has_every_row_and_a_word_on_each() -> None:
    page = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
    assert account_markdown(ROWS) in page
    for row in ROWS.values():
        assert f"\n**`{row.provider}`**" in page


def test_every_tier_of_every_provider_is_listed(tmp_path: Path) -> None:
    text, listed = several(tmp_path, ("providers",), ("providers", "--json"))
    assert (text.status, listed.status) == (0, 0)
    tiers = [(row.provider, tier.value) for row in ROWS.values() for tier in row.tiers]
    can_do, _, accounts = text.out.partition("\n\n")
    assert [tuple(line.split()[:2]) for line in can_do.splitlines()[1:]] == tiers
    assert [line.split()[0] for line in accounts.splitlines()] == ["provider", *ROWS]
    assert "estimate, set your own row" in can_do
    assert [(entry["provider"], entry["tier"]) for entry in listed.value] == tiers
    assert {entry["provider"]: entry["price"]["is_estimate"] for entry in listed.value}["ark"] is True
    assert {entry["provider"]: entry["price"]["usd"] for entry in listed.value}["unifically"] == "0.40"


def test_as_json_an_entry_has_everything_that_decides(tmp_path: Path) -> None:
    (listed,) = several(tmp_path, ("providers", "--json"), DAILIES_PROVIDERS__ARK__MAX_CONCURRENT="9")
    entries = {(entry["provider"], entry["tier"]): entry for entry in listed.value}
    assert {tuple(entry) for entry in entries.values()} == {tuple(KEYS.split())}
    ark, apiyi = entries["ark", "fast"], entries["apiyi", "fast"]
    assert (ark["cancels"], ark["lists"], ark["calls_back"], ark["retention_seconds"]) == (True, True, True, 86_400)
    assert ark["transports"] == {"image": ["link", "data_uri"], "video": ["link"], "audio": ["link", "data_uri"]}
    assert ark["limits"] == {
        "max_concurrent": 9,
        "requests_per_second": 2.0,
        "typical_seconds": 150,
        "deadline_seconds": 3600,
    }
    assert (apiyi["price"]["free_per_month"], ark["price"]["free_per_month"]) == (20, 0)
    assert (apiyi["prompt_chars_max"], apiyi["sound"]) == (2000, True)
    assert apiyi["options"] == ["camera_with_frame", "negative_prompt", "seed", "style"]


def test_a_price_is_for_the_length_nearest_to_five_seconds() -> None:
    assert [price_of(ROWS[name], Tier.STANDARD).seconds for name in ("byteplus", "apiframe")] == [5, 4]


def test_columns_stand_under_their_headings() -> None:
    for headings in (HEADINGS, ACCOUNT_HEADINGS):
        lines = aligned([headings, ("a", "b" * 20, "", "", "", "", "", "end")])
        assert lines[0].index(headings[-1]) == lines[1].index("end")
