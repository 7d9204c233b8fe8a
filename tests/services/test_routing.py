"""A server's own choices go into the plan where a provider has them, and keep nobody from a provider."""

from dataclasses import replace

import pytest

from bot.domain.capabilities import Option
from bot.domain.guilds import GuildSettings
from bot.domain.requests import Plan, Request, Tier
from bot.domain.rules import Bounds
from bot.services.routing import Router
from tests.services.stage import ROW

PRO_ONLY = replace(ROW, title="Studio", tiers={Tier.PRO: ROW.tiers[Tier.PRO]})


def router(row: object = ROW) -> Router:
    return Router(rows={"unifically": row}, order=["unifically"], draw_seed=lambda: 7)  # type: ignore[dict-item] # rows of this file


@pytest.mark.parametrize("has_one", [True, False])
def test_a_watermark_is_asked_for_where_the_provider_has_one(has_one: bool) -> None:  # noqa: FBT001 -- parametrised
    options = ROW.options | {Option.WATERMARK} if has_one else ROW.options - {Option.WATERMARK}
    plan = router(replace(ROW, options=options)).plan(
        Request(prompt="a fox"), (), choices=GuildSettings(watermark=True)
    )
    assert plan.watermark is has_one


def test_what_the_member_says_goes_before_the_servers_tier() -> None:
    choices = GuildSettings(default_tier=Tier.PRO)
    assert router().plan(Request(prompt="a fox"), (), choices=choices).tier is Tier.PRO
    assert router().plan(Request(prompt="a fox", tier=Tier.FAST), (), choices=choices).tier is Tier.FAST


def test_a_tier_that_the_provider_lacks_becomes_one_of_its_own_and_is_said() -> None:
    plan = router(PRO_ONLY).plan(Request(prompt="a fox"), ())
    assert (plan.tier, plan.notes) == (Tier.PRO, ("Studio has no fast tier; pro is made instead.",))


def test_of_the_providers_tiers_one_that_the_server_allows_is_taken() -> None:
    choices = GuildSettings(allowed_tiers=frozenset({Tier.PRO}))
    plan = router().plan(Request(prompt="a fox"), (), choices=choices)
    assert (plan.tier, plan.notes) == (Tier.PRO, ())


# -- what the rules allow decides what is left open

FINE = replace(
    ROW,
    tiers={
        Tier.FAST: replace(ROW.tiers[Tier.FAST], resolutions=("720p", "480p", "1080p")),
        Tier.STANDARD: replace(ROW.tiers[Tier.FAST], resolutions=("1080p", "720p")),
    },
)


def planned(request: Request, bounds: Bounds, choices: GuildSettings | None = None) -> Plan:
    choices = choices or GuildSettings(default_tier=Tier.STANDARD)
    return router(FINE).plan(request, (), choices=choices, bounds=bounds)


@pytest.mark.parametrize(
    ("bounds", "tier", "resolution", "seconds"),
    [
        (Bounds(), Tier.STANDARD, "1080p", 5),
        (Bounds(tiers=frozenset({Tier.FAST, Tier.PRO})), Tier.FAST, "720p", 5),
        (Bounds(tiers=frozenset({Tier.FAST}), resolution_max="480p"), Tier.FAST, "480p", 5),
        (Bounds(resolution_max="720p"), Tier.STANDARD, "720p", 5),
        (Bounds(resolution_max="4k"), Tier.STANDARD, "1080p", 5),
        (Bounds(seconds_max=4), Tier.STANDARD, "1080p", 4),
        (Bounds(seconds_max=15), Tier.STANDARD, "1080p", 5),
    ],
)
def test_what_is_left_open_keeps_within_the_rules(bounds: Bounds, tier: Tier, resolution: str, seconds: int) -> None:
    plan = planned(Request(prompt="a fox"), bounds)
    assert (plan.tier, plan.resolution, plan.duration_seconds) == (tier, resolution, seconds)


def test_the_servers_longest_clip_is_the_default_where_it_is_shorter() -> None:
    assert planned(Request(prompt="a fox"), Bounds(), GuildSettings(longest_seconds=4)).duration_seconds == 4


def test_what_the_member_set_never_moves() -> None:
    request = Request(prompt="a fox", tier=Tier.STANDARD, resolution="1080p", duration_seconds=9)
    plan = planned(request, Bounds(tiers=frozenset({Tier.FAST}), resolution_max="480p", seconds_max=4))
    assert (plan.tier, plan.resolution, plan.duration_seconds) == (Tier.STANDARD, "1080p", 9)


def test_where_nothing_fits_the_usual_plan_is_the_one_to_refuse() -> None:
    plan = planned(Request(prompt="a fox"), Bounds(tiers=frozenset({Tier.PRO}), resolution_max="480p", seconds_max=3))
    assert (plan.tier, plan.resolution, plan.duration_seconds) == (Tier.FAST, "720p", 5)


def test_a_provider_that_can_keep_within_the_rules_goes_before_one_that_cannot() -> None:
    rows = {"studio": replace(PRO_ONLY, provider="studio"), "unifically": ROW}
    both = Router(rows=rows, order=list(rows), draw_seed=lambda: 7)
    assert both.plan(Request(prompt="a fox"), ()).provider == "studio"
    only_fast = Bounds(tiers=frozenset({Tier.FAST}))
    assert both.plan(Request(prompt="a fox"), (), bounds=only_fast).provider == "unifically"
    chosen = both.plan(Request(prompt="a fox", provider="studio"), (), bounds=only_fast)
    assert (chosen.provider, chosen.tier) == ("studio", Tier.PRO)
