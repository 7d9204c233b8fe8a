"""A server's own choices go into the plan where a provider has them, and keep nobody from a provider."""

from dataclasses import replace

import pytest

from bot.domain.guilds import GuildSettings
from bot.domain.requests import Request, Tier
from bot.services.routing import Router
from tests.services.stage import ROW

PRO_ONLY = replace(ROW, title="Studio", tiers={Tier.PRO: ROW.tiers[Tier.PRO]})


def router(row: object = ROW) -> Router:
    return Router(rows={"unifically": row}, order=["unifically"], draw_seed=lambda: 7)  # type: ignore[dict-item] # rows of this file


@pytest.mark.parametrize("has_one", [True, False])
def test_a_watermark_is_asked_for_where_the_provider_has_one(has_one: bool) -> None:  # noqa: FBT001 -- parametrised
    options = ROW.options | {"watermark"} if has_one else ROW.options - {"watermark"}
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
