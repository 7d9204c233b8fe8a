"""Which provider honours a request, what it would cost, and which account takes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bot.domain.capabilities import Capabilities, make_plan, quote_micros
from bot.domain.errors import RequestError
from bot.domain.guilds import GuildSettings
from bot.domain.references import StoredReference
from bot.domain.request_errors import ProviderUnknownError
from bot.domain.requests import Plan, Request, Tier

NO_CHOICES = GuildSettings()
"""Of a server that decided nothing, and of the command line."""


class Router:
    """The enabled providers in order of preference; `rows` may hold more, which answer only when asked for by id."""

    def __init__(self, *, rows: Mapping[str, Capabilities], order: Sequence[str], draw_seed: Callable[[], int]) -> None:
        self._rows = rows
        self._order = order
        self._draw_seed = draw_seed

    def row(self, provider: str) -> Capabilities:
        return self._rows[provider]

    def plan(self, request: Request, stored: Sequence[StoredReference], *, choices: GuildSettings = NO_CHOICES) -> Plan:
        """The plan of the first provider that honours every option the member set; the server's own constrain none.

        Raises the RequestError of the most preferred one when none does, ProviderUnknownError for a foreign id.
        """
        refusals: list[RequestError] = []
        for row in self._candidates(request):
            try:
                return _planned(request, stored, row, choices, self._draw_seed)
            except RequestError as refusal:
                refusals.append(refusal)
        raise refusals[0]

    def quote(self, plan: Plan) -> int:
        return quote_micros(plan, self.row(plan.provider))

    def preview(self, request: Request, *, choices: GuildSettings = NO_CHOICES) -> tuple[Plan, int]:
        """Plan and price from the options alone, before a byte was copied."""
        plan = self.plan(request, (), choices=choices)
        return plan, self.quote(plan)

    def _candidates(self, request: Request) -> list[Capabilities]:
        if request.provider is None:
            return [self._rows[provider] for provider in self._order]
        if request.provider not in self._rows:
            raise ProviderUnknownError(provider=request.provider, known=", ".join(self._rows))
        return [self._rows[request.provider]]


def _planned(
    request: Request,
    stored: Sequence[StoredReference],
    row: Capabilities,
    choices: GuildSettings,
    draw_seed: Callable[[], int],
) -> Plan:
    """The server's tier and watermark go in where this provider has them, and a lacking tier is said on the card."""
    watermark = True if choices.watermark and "watermark" in row.options else request.watermark
    tier = request.tier or _default_tier(choices, row)
    asked = replace(request, tier=tier, watermark=watermark)
    plan = make_plan(request=asked, stored=stored, capabilities=row, draw_seed=draw_seed)
    if request.tier is not None or choices.default_tier in row.tiers:
        return plan
    note = f"{row.title} has no {choices.default_tier} tier; {plan.tier} is made instead."
    return replace(plan, notes=(note, *plan.notes))


def _default_tier(choices: GuildSettings, row: Capabilities) -> Tier | None:
    """The server's, else the first that it allows and this provider has."""
    wanted = (choices.default_tier, *Tier)
    return next((tier for tier in wanted if tier in choices.allowed_tiers and tier in row.tiers), None)
