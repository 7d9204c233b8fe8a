"""`providers.toml`: what it changes, and that whatever is wrong in it is told with its line."""

import os
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.domain.capabilities import Capabilities, Option, quote_micros
from bot.domain.errors import SettingsError
from bot.domain.pricing import PerSecond, PriceRule
from bot.domain.request_errors import OptionUnsupportedError
from bot.domain.requests import Aspect, Tier
from bot.domain.slots import Kind
from bot.wiring.accounts import ROWS
from bot.wiring.overrides import overridden
from tests.providers.planning import plan_for, stored

DOCUMENTED = Path(__file__).parents[2] / "docs" / "providers.md"


def rows_of(folder: Path, text: str) -> dict[str, Capabilities]:
    file = folder / "providers.toml"
    file.write_text(text, encoding="utf-8")
    return overridden(ROWS, file)


def faults_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        rows_of(folder, text)
    return str(caught.value).splitlines()


def price_of(folder: Path, text: str, provider: str = "ark", tier: Tier = Tier.FAST) -> PriceRule:
    return rows_of(folder, f"[{provider}.tiers.{tier}.price]\n{text}")[provider].tiers[tier].price


def test_without_a_file_the_rows_are_as_they_were(tmp_path: Path) -> None:
    assert overridden(ROWS, tmp_path / "providers.toml") == ROWS
    assert rows_of(tmp_path, "# nothing yet\n") == ROWS


def test_every_own_row_has_a_price_for_every_size() -> None:
    for row in ROWS.values():
        for one in row.tiers.values():
            assert all(one.price.covers(size, seconds) for size in one.resolutions for seconds in row.durations)


# -- what it changes


def test_every_field_of_a_row_is_taken(tmp_path: Path) -> None:
    text = """
    [apiyi]
    durations = { min = 4, max = 10 }
    aspects = ["9:16", "16:9"]
    references = { image = 4, video = 0, total = 5 }
    prompt_chars_max = 1500
    negative_prompt_chars_max = 300
    options = { style = false, seed = true }
    max_concurrent = 7
    requests_per_second = 0.5
    typical_seconds = 60
    deadline_seconds = 900
    without_tiers = ["standard"]
    paths = { references = "/videos/reference" }

    [apiyi.tiers.fast]
    model = "ep-1"
    resolutions = ["480p"]
    free_per_month = 100
    """
    before, row = ROWS["apiyi"], rows_of(tmp_path, text)["apiyi"]
    assert (row.durations, row.aspects) == (tuple(range(4, 11)), (Aspect.TALL, Aspect.WIDE))
    assert (row.references_max, row.references_total_max) == ({Kind.IMAGE: 4, Kind.VIDEO: 0, Kind.AUDIO: 3}, 5)
    assert (row.prompt_chars_max, row.negative_prompt_chars_max) == (1500, 300)
    assert row.options == before.options - {Option.STYLE}
    assert (row.max_concurrent, row.requests_per_second) == (7, 0.5)
    assert (row.typical_seconds, row.deadline_seconds) == (60, 900)
    assert (list(row.tiers), row.free_per_month) == ([Tier.FAST, Tier.PRO], {Tier.FAST: 100})
    assert row.tiers[Tier.FAST] == replace(before.tiers[Tier.FAST], model="ep-1", resolutions=("480p",))
    assert row.paths == {**before.paths, "references": "/videos/reference"}
    assert rows_of(tmp_path, text)["ark"] == ROWS["ark"]


def test_a_plan_that_waited_while_its_tier_went_is_refused_in_words(tmp_path: Path) -> None:
    plan = plan_for(ROWS["ark"], "A fox", tier=Tier.FAST, duration_seconds=5)
    for text in ("without_tiers = ['fast']", "tiers.fast.resolutions = ['480p']", "durations = [4]"):
        with pytest.raises(OptionUnsupportedError) as caught:
            quote_micros(plan, rows_of(tmp_path, f"[ark]\n{text}")["ark"])
        assert str(caught.value) == "ModelArk cannot do fast any more, 5 s at 720p; ask for the clip anew."


def test_a_new_tier_stands_in_its_place(tmp_path: Path) -> None:
    text = """
    [byteplus.tiers.fast]
    model = "seedance-2.0-fast"
    resolutions = ["720p"]
    price = { usd_per_second = 0.03 }
    """
    row = rows_of(tmp_path, text)["byteplus"]
    assert list(row.tiers) == [Tier.FAST, Tier.STANDARD]
    assert quote_micros(plan_for(row, "A fox", tier=Tier.FAST), row) == 150_000


@pytest.mark.parametrize(
    ("price", "micros", "with_video_micros"),
    [
        ('usd_per_second = "0.12"', 600_000, 600_000),
        ("usd_per_second = 0.12", 600_000, 600_000),
        ("usd_per_second = 1", 5_000_000, 5_000_000),
        ('usd_per_second = { 480p = "0.05", 720p = "0.000001" }', 5, 5),
        # 108,900 tokens of 5 s, and 173,700 of the 8 s that they are with the video
        ('usd_per_million_tokens = "5.6"', 609_840, 972_720),
        ("usd_per_million_tokens = { 480p = 5, 720p = 10 }", 1_089_000, 1_737_000),
        ("usd_per_second = 0.1\nvideo_input_percent = 60", 500_000, 300_000),
    ],
)
def test_every_price_rule_is_taken(tmp_path: Path, price: str, micros: int, with_video_micros: int) -> None:
    row = rows_of(tmp_path, f"[ark.tiers.fast.price]\n{price}")["ark"]
    plain, video = plan_for(row, "A fox"), plan_for(row, "A fox", stored("@Video1"))
    assert [quote_micros(plan, row) for plan in (plain, video)] == [micros, with_video_micros]


def test_a_minimum_with_reference_video_is_taken(tmp_path: Path) -> None:
    text = """
    [ark]
    durations = [5, 10]
    [ark.tiers.fast]
    resolutions = ["720p"]
    [ark.tiers.fast.price]
    usd_per_second = "0.10"
    minimum_usd = { 720p = { 5 = "0.84", 10 = "1.00" } }
    """
    row = rows_of(tmp_path, text.replace("[ark]", '[ark]\nwithout_tiers = ["standard"]'))["ark"]
    for seconds, micros in ((5, 840_000), (10, 1_300_000)):  # of output, and 3 s go in
        plan = plan_for(row, "A fox", stored("@Video1"), duration_seconds=seconds)
        assert quote_micros(plan, row) == micros


def test_an_own_price_is_no_estimate_and_says_whose_it_is(tmp_path: Path) -> None:
    assert ROWS["ark"].tiers[Tier.FAST].price.is_estimate
    text = 'usd_per_second = "0.12"\nsource = "my contract"\ndated = 2026-10-01'
    stated = price_of(tmp_path, text)
    assert stated == PerSecond(micros=120_000, source="my contract", dated=date(2026, 10, 1))
    assert rows_of(tmp_path, f"[ark.tiers.fast.price]\n{text}")["ark"].tiers[Tier.STANDARD].price.is_estimate


def test_a_price_without_a_date_is_of_the_day_the_file_was_changed(tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    file.write_text("[ark.tiers.fast.price]\nusd_per_second = 0.12\n")
    at = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
    os.utime(file, (at, at))
    price = overridden(ROWS, file)["ark"].tiers[Tier.FAST].price
    assert (price.source, price.dated) == ("this server's operator", date(2026, 3, 2))


def test_the_documented_example_is_right_and_shows_every_field(tmp_path: Path) -> None:
    page = DOCUMENTED.read_text(encoding="utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    for row in (rows_of(tmp_path, example)[name] for name in ("ark", "apiyi")):
        assert not row.tiers[Tier.FAST].price.is_estimate
    for name in known_fields():
        assert name in page, name


def known_fields() -> list[str]:
    from bot.wiring.override_fields import OwnPrice, OwnReferences, OwnRow, OwnTier  # noqa: PLC0415 -- only here

    return [name for table in (OwnRow, OwnTier, OwnPrice, OwnReferences) for name in table.model_fields]


# -- what is wrong in it

WRONG: list[tuple[str, list[str]]] = [
    (
        '[ark.tiers.fast.price]\nusd_per_second = "twelve cents"',
        ["line 2: ark.tiers.fast.price.usd_per_second: must be a number such as 0.12"],
    ),
    (
        "[ark.tiers.fast.price]\nusd_per_second = -1",
        ["line 2: ark.tiers.fast.price.usd_per_second: must be at least 0 and at most 10,000"],
    ),
    (
        "[ark.tiers.fast.price]\nusd_per_second = nan",
        ["line 2: ark.tiers.fast.price.usd_per_second: must be a number such as 0.12"],
    ),
    (
        "[ark.tiers.fast.price]\nusd_per_second = { 720p = 0.0000001, 480p = 1 }",
        ["line 2: ark.tiers.fast.price.usd_per_second.720p: has more than 6 decimals"],
    ),
    (
        "[ark.tiers.fast.price]\nusd_per_second = true",
        ["line 2: ark.tiers.fast.price.usd_per_second: must be a number such as 0.12"],
    ),
    (
        "[ark.tiers.fast.price]\nusd_per_second = 1e99999",
        ["line 2: ark.tiers.fast.price.usd_per_second: must be at least 0 and at most 10,000"],
    ),
    ("[arc]", ["line 1: arc: no such provider; did you mean ark?"]),
    ("\n\n[ark]\ndurration = [5]", ["line 4: ark.durration: no such field; did you mean durations?"]),
    ("[ark.tiers.fats]", ["line 1: ark.tiers.fats: no such tier as 'fats'; did you mean fast?"]),
    (
        "[ark.tiers.fast]\nresolutions = ['720']",
        ["line 2: ark.tiers.fast.resolutions: no such resolution as '720'; did you mean 720p?"],
    ),
    (
        "[ark.tiers.fast.price]\nusd_per_secnd = 1",
        ["line 2: ark.tiers.fast.price.usd_per_secnd: no such field; did you mean usd_per_second?"],
    ),
    (
        "[ark.tiers.fast.price]\nsource = 'a page'",
        ["line 1: ark.tiers.fast.price: must hold either usd_per_second or usd_per_million_tokens"],
    ),
    (
        "[ark.tiers.fast.price]\nusd_per_million_tokens = 1\nminimum_usd = {}",
        ["line 1: ark.tiers.fast.price: minimum_usd goes with usd_per_second"],
    ),
    (
        "[ark]\ndurations = []",
        ["line 2: ark.durations: must be whole seconds such as [5, 10], or { min = 4, max = 15 }"],
    ),
    (
        "[ark]\ndurations = { min = 9, max = 4 }",
        ["line 2: ark.durations: must be whole seconds such as [5, 10], or { min = 4, max = 15 }"],
    ),
    ("[ark]\ndurations = { min = -1000000000000, max = 15 }", ["line 2: ark.durations: must lie between 1 and 60 s"]),
    ("[ark]\naspects = []", ["line 2: ark.aspects: must not be empty"]),
    (
        "[ark]\naspects = [\n  '16:9',\n  '7:5',\n]",
        ["line 2: ark.aspects: no such aspect as '7:5'; there is 21:9, 16:9, 4:3, 1:1, 3:4, 9:16, auto"],
    ),
    ("[ark]\nmax_concurrent = '3'", ["line 2: ark.max_concurrent: must be a whole number"]),
    ("[ark]\nmax_concurrent = 0", ["line 2: ark.max_concurrent: must be at least 1"]),
    ("[ark]\nrequests_per_second = 0.0", ["line 2: ark.requests_per_second: must be more than 0"]),
    ("[ark]\nreferences = { image = 10 }", ["line 2: ark.references.image: must be at most 9"]),
    ("[ark]\nprompt_chars_max = 2001", ["line 2: ark.prompt_chars_max: must be at most 2,000"]),
    ("[ark]\noptions = { web_search = 1 }", ["line 2: ark.options.web_search: must be true or false"]),
    (
        "[ark]\noptions = { websearch = true }",
        ["line 2: ark.options.websearch: no such option as 'websearch'; did you mean web_search?"],
    ),
    ("[ark]\ntiers = 5", ["line 2: ark.tiers: must be a table"]),
    ("ark = 5", ["line 1: ark: must be a table"]),
    ("[ark.tiers.fast]\nmodel = 5", ["line 2: ark.tiers.fast.model: must be text in quotes"]),
    ("[ark.tiers.fast]\nmodel = ' '", ["line 2: ark.tiers.fast.model: must not be empty"]),
    (
        "[ark.tiers.fast.price]\nusd_per_second = 1\ndated = '2026-01-01'",
        ["line 3: ark.tiers.fast.price.dated: must be a date such as 2026-11-20, without quotes"],
    ),
    ("[apiyi]\npaths = { image = 'videos' }", ["line 2: apiyi.paths.image: must be a path such as /videos"]),
    ("[apiyi]\npaths = { images = '/v' }", ["line 2: apiyi.paths.images: no such path; did you mean image?"]),
    ("[ark]\npaths = { image = '/v' }", ["line 2: ark.paths.image: no such path; there is but one"]),
    # what the dialect cannot say
    (
        "[unifically]\noptions = { watermark = true }",
        ["line 2: unifically.options.watermark: cannot be switched on: Unifically has no field for it"],
    ),
    (
        "[unifically]\naspects = ['auto']",
        ["line 2: unifically.aspects: auto is nothing that Unifically has a word for"],
    ),
    (
        "[byteplus.references]\nvideo = 2",
        ["line 2: byteplus.references.video: must be 0: BytePlus takes no video references"],
    ),
    (
        "[unifically.tiers.pro]\nresolutions = ['1080p', '720p']",
        ["line 2: unifically.tiers.pro.resolutions: 1080p is no size that Unifically makes in pro"],
    ),
    (
        "[fal.tiers.standard]\nmodel = 'another-app/model'",
        [
            (
                "line 2: fal.tiers.standard.model: must begin with bytedance/seedance-2.0: "
                "the address of a task is made of it"
            )
        ],
    ),
    # what would leave a tier without a price
    (
        "[ark.tiers.fast]\nresolutions = ['720p', '2k']",
        ["line 2: ark.tiers.fast.resolutions: 2k is no size that ModelArk makes in fast"],
    ),
    (
        "[ark.tiers.fast.price]\nusd_per_second = { 720p = 1 }",
        ["line 1: ark.tiers.fast.price: there is no price for 4 s at 480p in fast"],
    ),
    (
        "[v3_async]\ndurations = [4, 16]",
        [f"line 2: v3_async.durations: there is no price for 16 s at 720p in {tier}" for tier in ("fast", "standard")],
    ),
    (
        "[ark.tiers.pro]\nmodel = 'x'",
        ["line 1: ark.tiers.pro: is new at ModelArk: it needs model, resolutions and price"],
    ),
    ("[byteplus]\nwithout_tiers = ['pro']", ["line 2: byteplus.without_tiers: pro is no tier of BytePlus"]),
    ("[byteplus]\nwithout_tiers = ['standard']", ["line 2: byteplus.without_tiers: leaves no tier"]),
    (
        "[ark]\nwithout_tiers = ['fast']\n[ark.tiers.fast]\nmodel = 'x'",
        ["line 3: ark.tiers.fast: is in without_tiers too"],
    ),
    ("[animatic]\nmax_concurrent = 3", ["line 1: animatic: renders on this machine; nothing of it can be set"]),
    # the file itself
    ("[ark]\ndurations = [5\n", ["line 2: is not TOML: unclosed array"]),
    ("[ark]\na = 1\na = 2", ["line 3: is not TOML: cannot overwrite a value"]),
    ("[ark]\n\nmodel = x", ["line 3: is not TOML: invalid value"]),
    # two at once, in the order of the file
    (
        "[ark]\nmax_concurrent = 0\n[apiyi]\ntypical_seconds = 0\n",
        ["line 2: ark.max_concurrent: must be at least 1", "line 4: apiyi.typical_seconds: must be at least 1"],
    ),
]


@pytest.mark.parametrize(("text", "faults"), WRONG, ids=[faults[0] for _, faults in WRONG])
def test_a_wrong_row_is_told_with_its_line(tmp_path: Path, text: str, faults: list[str]) -> None:
    assert faults_of(tmp_path, text) == [f"providers.toml: {fault}" for fault in faults]


def test_lines_of_windows_are_counted_too(tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    file.write_bytes("\ufeff# mine\r\n[ark]\r\nmax_concurrent = 0\r\n".encode())
    with pytest.raises(SettingsError, match=r"^providers\.toml: line 3: ark\.max_concurrent: "):
        overridden(ROWS, file)


def test_a_key_cannot_break_its_line(tmp_path: Path) -> None:
    assert faults_of(tmp_path, '["a\\nb"]') == [
        "providers.toml: line 1: 'a\\nb': no such provider; there is "
        + ", ".join(name for name in ROWS if name != "animatic")
    ]


def unreadable(file: Path) -> None:
    file.mkdir()


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (unreadable, "is not a plain file"),
        (lambda file: file.write_bytes(b"[ark]\n# caf\xe9\n"), "line 2: is not text in UTF-8"),
        (lambda file: file.write_bytes(b"#" * 64_001), "has more than 64,000 bytes"),
        (lambda file: file.write_text("a = " + "[" * 5000), "is nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, spoil: Any, fault: str) -> None:
    file = tmp_path / "providers.toml"
    spoil(file)
    with pytest.raises(SettingsError) as caught:
        overridden(ROWS, file)
    assert str(caught.value) == f"providers.toml: {fault}"
