"""Which provider honours a request, what it would cost, and which account takes it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from bot.domain.capabilities import Capabilities, Option, default_duration, make_plan, quote_micros
from bot.domain.chains import PREVIEWER
from bot.domain.errors import RequestError
from bot.domain.guilds import GuildSettings, Routing
from bot.domain.jobs import Job
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
        # The storyboard is no clip of the model's: it is never what a paid provider falls back to.
        self._order = [name for name in order if name != PREVIEWER] or list(order)
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
        resting: Collection[str] = (),
    ) -> Plan:
        """The plan of the provider that comes first, of those that honour every option the member set.

        First in the operator's order, or the cheapest where the server chose so; one that rests only where no other
        can. What the member left open goes where server and rules allow it. A plan that they do not allow is the
        answer only where nothing better is; refusing it is not the router's business. Raises the RequestError of the
        most preferred provider when none makes a plan, ProviderUnknownError for a foreign id.
        """
        plans, refusals = self._plans(request, stored, self._candidates(request), choices, bounds)
        if not plans:
            raise with_other(refusals[0], self._able(request, stored, choices, bounds))
        allowed = narrowest([choices.bounds, bounds])

        def rank(plan: Plan) -> tuple[bool, bool, int]:
            price = self.quote(plan) if choices.routing is Routing.CHEAPEST else 0
            return not allowed.allows(plan), plan.provider in resting, price

        return min(plans, key=rank)

    def elsewhere(self, job: Job, *, choices: GuildSettings, resting: Collection[str]) -> list[Plan]:
        """The same clip at other providers that do not rest, first the one to be asked first.

        The same by all that its card says: tier, length, shape, resolution and sound. None where the member
        named the provider.
        """
        if job.plan is None or job.request.provider is not None:
            return []
        rows = [self._rows[name] for name in self._order if name not in {job.plan.provider, *resting}]
        plans, _ = self._plans(_pinned(job, job.plan), job.plan.references, rows, choices, NO_BOUNDS)
        notes = job.plan.notes
        kept = [replace(plan, notes=tuple(dict.fromkeys((*notes, *plan.notes)))) for plan in plans if not plan.changes]
        return sorted(kept, key=self.quote) if choices.routing is Routing.CHEAPEST else kept

    def faster(self, job: Job, *, choices: GuildSettings) -> Plan | None:
        """The same clip in the fast tier of the same provider, where there is one and it is another."""
        if job.plan is None or job.plan.tier is Tier.FAST:
            return None
        wish = replace(_pinned(job, job.plan), tier=Tier.FAST, resolution=job.request.resolution)
        plans, _ = self._plans(wish, job.plan.references, [self.row(job.plan.provider)], choices, NO_BOUNDS)
        return plans[0] if plans and choices.bounds.allows(plans[0]) else None

    def quote(self, plan: Plan) -> int:
        return quote_micros(plan, self.row(plan.provider))

    def preview(
        self, request: Request, *, choices: GuildSettings = NO_CHOICES, bounds: Bounds = NO_BOUNDS
    ) -> tuple[Plan, int]:
        """Plan and price from the options alone, before a byte was copied."""
        plan = self.plan(request, (), choices=choices, bounds=bounds)
        return plan, self.quote(plan)

    def _plans(
        self,
        request: Request,
        stored: Sequence[StoredReference],
        rows: Sequence[Capabilities],
        choices: GuildSettings,
        bounds: Bounds,
    ) -> tuple[list[Plan], list[RequestError]]:
        plans: list[Plan] = []
        refusals: list[RequestError] = []
        both = narrowest([choices.bounds, bounds])
        for row in rows:
            try:
                plans.append(_planned(request, stored, row, choices, both, self._draw_seed))
            except RequestError as refusal:
                refusals.append(refusal)
        return plans, refusals

    def _candidates(self, request: Request) -> list[Capabilities]:
        if request.provider is None:
            return [self._rows[provider] for provider in self._order]
        if request.provider not in self._rows:
            raise ProviderUnknownError(provider=request.provider, known=", ".join(self._rows))
        return [self._rows[request.provider]]

    def _able(
        self, request: Request, stored: Sequence[StoredReference], choices: GuildSettings, bounds: Bounds
    ) -> Capabilities | None:
        """Of the enabled ones beside the one that was asked for by id. Our storyboard is no video in its place."""
        if request.provider is None:
            return None
        rows = [self._rows[name] for name in self._order if name not in {request.provider, PREVIEWER}]
        plans, _ = self._plans(replace(request, provider=None), stored, rows, choices, bounds)
        allowed = narrowest([choices.bounds, bounds])
        return next((self.row(plan.provider) for plan in plans if allowed.allows(plan)), None)


def with_other(refusal: RequestError, other: Capabilities | None) -> RequestError:
    """The refusal, and the provider that would take the request as it stands, where there is one."""
    if other is None or not isinstance(refusal, OptionUnsupportedError):
        return refusal
    words = f"or choose {other.title} ({other.provider}), which takes the request as it stands"
    return replace(refusal, nearest=f"{refusal.nearest}, {words}")


def _pinned(job: Job, plan: Plan) -> Request:
    """The job's request with all that was decided for it, but for what only its provider has."""
    return replace(
        job.request,
        tier=plan.tier,
        duration_seconds=plan.duration_seconds,
        aspect=plan.aspect,
        resolution=plan.resolution,
        sound=plan.sound,
        seed=job.request.seed,
    )


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
