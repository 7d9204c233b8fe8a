"""Which provider honours a request, what it would cost, and which account takes it."""

from collections.abc import Callable, Mapping, Sequence

from bot.domain.capabilities import Capabilities, make_plan, quote_micros
from bot.domain.errors import ProviderUnknownError, RequestError
from bot.domain.references import StoredReference
from bot.domain.requests import Plan, Request


class Router:
    """The enabled providers in order of preference; `rows` may hold more, which answer only when asked for by id."""

    def __init__(self, *, rows: Mapping[str, Capabilities], order: Sequence[str], draw_seed: Callable[[], int]) -> None:
        self._rows = rows
        self._order = order
        self._draw_seed = draw_seed

    def row(self, provider: str) -> Capabilities:
        return self._rows[provider]

    def plan(self, request: Request, stored: Sequence[StoredReference]) -> Plan:
        """The plan of the first provider that honours every option the member set.

        Raises the RequestError of the most preferred one when none does, ProviderUnknownError for a foreign id.
        """
        refusals: list[RequestError] = []
        for row in self._candidates(request):
            try:
                return make_plan(request=request, stored=stored, capabilities=row, draw_seed=self._draw_seed)
            except RequestError as refusal:
                refusals.append(refusal)
        raise refusals[0]

    def quote(self, plan: Plan) -> int:
        return quote_micros(plan, self.row(plan.provider))

    def preview(self, request: Request) -> tuple[Plan, int]:
        """Plan and price from the options alone, before a byte was copied."""
        plan = self.plan(request, ())
        return plan, self.quote(plan)

    def _candidates(self, request: Request) -> list[Capabilities]:
        if request.provider is None:
            return [self._rows[provider] for provider in self._order]
        if request.provider not in self._rows:
            raise ProviderUnknownError(provider=request.provider, known=", ".join(self._rows))
        return [self._rows[request.provider]]
