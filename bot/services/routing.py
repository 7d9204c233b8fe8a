"""Which provider honours a request, what it would cost, and which account takes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bot.domain.capabilities import Capabilities, Option, default_duration, make_plan, quote_micros
from bot.domain.chains import PREVIEWER
from bot.domain.errors import RequestError
from bot.domain.guilds import GuildSettings
from bot.domain.references import StoredReference
from bot.domain.request_errors import OptionUnsupportedError, ProviderUnknownError
from bot.domain.requests import RESOLUTIONS, Plan, Request, Tier
from bot.domain.rules import Bounds, narrowest

NO_CHOICES = GuildSettings()
"""Of a server that decided nothing, and of the command line."""
NO_BOUNDS = Bounds()


class Router:
    """The enabled providers in order of preference; `rows` may hold more, which answer only when asked for by id."""

    def __init__(self, *, rows: Mapping[str, Capabilities], order: Sequence[str], draw_seed: Callable[[], int]) -> None:
        self._rows = rows
        self._order = order
        self._draw_seed = draw_seed

    def row(self, provider: str) -> Capabilities:
        return self._rows[provider]

    def plan(
        self,
        request: Request,
        stored: Sequence[StoredReference],
        *,
        choices: GuildSettings = NO_CHOICES,
        bounds: Bounds = NO_BOUNDS,
    ) -> Plan:
        """The plan of the first provider that honours every option the member set; the server's own constrain none.

        What the member left open goes where server and rules allow it. A plan that they do not allow is the answer
        only where nothing better is; refusing it is not the router's business. Raises the RequestError of the most
        preferred provider when none makes a plan, ProviderUnknownError for a foreign id.
        """
        refusals: list[RequestError] = []
        beyond: list[Plan] = []
        bounds = narrowest([choices.bounds, bounds])
        for row in self._candidates(request):
            try:
                plan = _planned(request, stored, row, choices, bounds, self._draw_seed)
            except RequestError as refusal:
                refusals.append(refusal)
                continue
            if bounds.allows(plan):
                return plan
            beyond.append(plan)
        if beyond:
            return beyond[0]
        able = (
            row
            for row in self._others(request)
            if _is_honoured(replace(request, provider=None), stored, row, choices, bounds, self._draw_seed)
        )
        raise with_other(refusals[0], next(able, None))

    def quote(self, plan: Plan) -> int:
        return quote_micros(plan, self.row(plan.provider))

    def preview(
        self, request: Request, *, choices: GuildSettings = NO_CHOICES, bounds: Bounds = NO_BOUNDS
    ) -> tuple[Plan, int]:
        """Plan and price from the options alone, before a byte was copied."""
        plan = self.plan(request, (), choices=choices, bounds=bounds)
        return plan, self.quote(plan)

    def _candidates(self, request: Request) -> list[Capabilities]:
        if request.provider is None:
            return [self._rows[provider] for provider in self._order]
        if request.provider not in self._rows:
            raise ProviderUnknownError(provider=request.provider, known=", ".join(self._rows))
        return [self._rows[request.provider]]

    def _others(self, request: Request) -> list[Capabilities]:
        """The enabled ones beside the one that was asked for by id. Our storyboard is no video in its place."""
        if request.provider is None:
            return []
        return [self._rows[one] for one in self._order if one not in {request.provider, PREVIEWER}]


def with_other(refusal: RequestError, other: Capabilities | None) -> RequestError:
    """The refusal, and the provider that would take the request as it stands, where there is one."""
    if other is None or not isinstance(refusal, OptionUnsupportedError):
        return refusal
    words = f"or choose {other.title} ({other.provider}), which takes the request as it stands"
    return replace(refusal, nearest=f"{refusal.nearest}, {words}")


def _is_honoured(
    request: Request,
    stored: Sequence[StoredReference],
    row: Capabilities,
    choices: GuildSettings,
    bounds: Bounds,
    draw_seed: Callable[[], int],
) -> bool:
    try:
        return bounds.allows(_planned(request, stored, row, choices, bounds, draw_seed))
    except RequestError:
        return False


def _planned(
    request: Request,
    stored: Sequence[StoredReference],
    row: Capabilities,
    choices: GuildSettings,
    bounds: Bounds,
    draw_seed: Callable[[], int],
) -> Plan:
    """The server's tier and watermark go in where this provider has them, and a lacking tier is said on the card."""
    watermark = True if choices.watermark and Option.WATERMARK in row.options else request.watermark
    tier = request.tier or _default_tier(choices, bounds, row)
    asked = replace(
        request,
        tier=tier,
        watermark=watermark,
        resolution=request.resolution or _default_resolution(bounds, row, tier),
        duration_seconds=_default_seconds(bounds, row)
        if request.duration_seconds is None
        else request.duration_seconds,
    )
    plan = make_plan(request=asked, stored=stored, capabilities=row, draw_seed=draw_seed)
    if request.tier is not None or choices.default_tier in row.tiers:
        return plan
    note = f"{row.title} has no {choices.default_tier} tier; {plan.tier} is made instead."
    return replace(plan, notes=(note, *plan.notes))


def _default_tier(choices: GuildSettings, bounds: Bounds, row: Capabilities) -> Tier | None:
    """The server's, else the first that is allowed and this provider has."""
    wanted = (choices.default_tier, *Tier)
    return next((tier for tier in wanted if tier in row.tiers and (bounds.tiers is None or tier in bounds.tiers)), None)


def _default_resolution(bounds: Bounds, row: Capabilities, tier: Tier | None) -> str | None:
    """The provider's own, None; where the bounds lie below it, the best within them."""
    most, known = bounds.resolution_max, () if tier is None or tier not in row.tiers else row.tiers[tier].resolutions
    if most is None or not known or RESOLUTIONS.index(known[0]) <= RESOLUTIONS.index(most):
        return None
    within = [one for one in known if RESOLUTIONS.index(one) <= RESOLUTIONS.index(most)]
    return max(within, key=RESOLUTIONS.index, default=None)


def _default_seconds(bounds: Bounds, row: Capabilities) -> int | None:
    """The usual length, None; where the bounds lie below it, the longest within them."""
    most = bounds.seconds_max
    if most is None or default_duration(row) <= most:
        return None
    return max((seconds for seconds in row.durations if seconds <= most), default=None)
