"""The doctor's look at each enabled provider: its keys, its prices, and whether an account rests."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from http import HTTPStatus

import httpx

from bot.commandline.findings import Check, Verdict
from bot.commandline.network_checks import Clock
from bot.domain.capabilities import Capabilities
from bot.domain.errors import DatabaseError, SettingsError
from bot.ports.outside import ProviderBusyError, TaskGoneError
from bot.providers.http import Clients, make_client
from bot.settings import Settings
from bot.wiring import look, now_ms
from bot.wiring.accounts import bases_of, paid_account

NO_TASK = "00000000-0000-4000-8000-000000000000"
"""The id of a task that does not exist: to ask for it is free, and tells whether the key is good."""
PRICE_DAYS_MAX = 180
_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


# -- keys


async def keys(settings: Settings, row: Capabilities, clock: Clock) -> Sequence[Check]:
    """A line for each key of a provider, all tried at once."""
    if row.provider == "animatic":
        return [Check(name=row.provider, verdict=Verdict.OK, detail="needs no key")]
    given = settings.provider(row.provider).keys
    if not given:
        mend = f"Set {_variable(row)}, or take {row.provider} out of DAILIES_PROVIDER_ORDER."
        return [Check(name=row.provider, verdict=Verdict.FAILED, detail=f"{row.title} has no key.", mend=mend)]
    which = ["the key"] if len(given) == 1 else [f"key {n} of {len(given)}" for n in range(1, len(given) + 1)]
    tries = [_try(settings, row, key, clock, said) for key, said in zip(given, which, strict=True)]
    return await asyncio.gather(*tries)


async def _try(settings: Settings, row: Capabilities, key: str, clock: Clock, which: str) -> Check:
    answers: dict[str, httpx.Response] = {}

    async def hear(answer: httpx.Response) -> None:
        answers[answer.url.netloc.decode()] = answer
        clock.hear(answer)

    async with make_client() as client:
        client.event_hooks = {"response": [hear]}
        try:
            account = paid_account(settings, row, key, Clients(reads=client, submits=client))
        except (SettingsError, ValueError) as error:
            mend = "Set it in the environment or .env."
            return Check(name=row.provider, verdict=Verdict.FAILED, detail=f"{which}: {error}.", mend=mend)
        with suppress(TaskGoneError, ProviderBusyError):  # the answers themselves tell more
            await account.read(task_id=NO_TASK)
    hosts = [httpx.URL(base).netloc.decode() for base in bases_of(settings, row)]
    return _judged(account.account, row, which, [(host, answers.get(host)) for host in hosts])


def _judged(name: str, row: Capabilities, which: str, heard: Sequence[tuple[str, httpx.Response | None]]) -> Check:
    """By the worst that a host said of the key; then by what it could not be asked."""
    statuses = {host: None if answer is None else answer.status_code for host, answer in heard}
    for host, status in statuses.items():
        if status in _REFUSED:
            detail, mend = f"{which} was not accepted by {host} (HTTP {status}).", f"Copy {_variable(row)} anew."
            return Check(name=name, verdict=Verdict.FAILED, detail=detail, mend=mend)
        if status == HTTPStatus.PAYMENT_REQUIRED:
            detail, mend = f"{which} is out of credit at {host}.", f"Top up the account at {row.title}."
            return Check(name=name, verdict=Verdict.FAILED, detail=detail, mend=mend)
    good = [host for host, answer in heard if answer is not None and _knows_no_such_task(answer)]
    doubts = [_doubt(host, status) for host, status in statuses.items() if host not in good]
    if not doubts:
        return Check(name=name, verdict=Verdict.OK, detail=f"{which} is accepted by {', '.join(good)}")
    nobody = all(status is None for status in statuses.values())
    return Check(
        name=name,
        verdict=Verdict.FAILED if nobody else Verdict.WARNING,
        detail=f"{which} could not be tried: {', '.join(doubts)}.",
        mend=f"Is this machine online? Is {_variable(row, 'BASE_URL')} right? Else try again later.",
    )


def _knows_no_such_task(answer: httpx.Response) -> bool:
    """An API says so in JSON; a page that is not there is a wrong address."""
    return answer.status_code == HTTPStatus.NOT_FOUND and "json" in answer.headers.get("Content-Type", "")


def _doubt(host: str, status: int | None) -> str:
    return f"{host} did not answer" if status is None else f"{host} answered {status}"


def _variable(row: Capabilities, field: str = "API_KEY") -> str:
    return f"DAILIES_PROVIDERS__{row.provider.upper()}__{field}"


# -- prices


def prices(row: Capabilities, *, today: date) -> Iterator[Check]:
    name = f"{row.provider} prices"
    guessed = [tier.value for tier, one in row.tiers.items() if one.price.is_estimate]
    if guessed:
        detail = f"{', '.join(guessed)}: estimate, set your own row."
        yield Check(name=name, verdict=Verdict.WARNING, detail=detail, mend="docs/providers.md shows how.")
    stated = {one.price.dated for one in row.tiers.values() if not one.price.is_estimate and row.provider != "animatic"}
    aged = [day for day in stated if (today - day).days > PRICE_DAYS_MAX]
    if aged:
        detail = f"of {min(aged)}, more than {PRICE_DAYS_MAX} days ago."
        mend = f"Compare them with {row.title}'s page, and set your own row if they differ."
        yield Check(name=name, verdict=Verdict.WARNING, detail=detail, mend=mend)
    elif stated:
        yield Check(name=name, verdict=Verdict.OK, detail=f"of {min(stated)}")


# -- accounts that rest


async def resting(settings: Settings) -> AsyncIterator[Check]:
    """What the books say; none where there are none yet, or none that can be read: that has a line of its own."""
    try:
        async with look(settings) as views:
            lines = [] if views is None else await views.resting_accounts(now_ms=now_ms())
    except DatabaseError:
        return
    for line in lines:
        until = datetime.fromtimestamp(int(line["until_ms"] or 0) / 1000, UTC)
        detail = f"gets no jobs until {until:%Y-%m-%d %H:%M} UTC ({line['trouble']}): {line['reason']}"
        yield Check(
            name=str(line["account"]),
            verdict=Verdict.WARNING,
            detail=detail if detail.endswith(".") else f"{detail}.",
            mend="It is tried again then by itself; the line of its key says what is wrong now.",
        )
