"""What every paid dialect must do, played against its stand-in on loopback.

A test module describes its dialect in a Subject, then runs each of CHECKS against it, and against each of the wrong
adapters of mutants.py.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from bot.domain.capabilities import Option, Transport
from bot.domain.errors import ModerationError, ProviderAccountError, ProviderAuthError, ProviderRefusedError
from bot.domain.requests import Aspect, Plan
from bot.domain.slots import Kind, Slot
from bot.ports.outside import (
    Failed,
    NotSentError,
    Pending,
    ProviderBusyError,
    Succeeded,
    TaskGoneError,
    UnknownOutcomeError,
)
from bot.providers.reading import NO_LINK
from tests.providers.house import CLIP, FILES, House, Subject, opened
from tests.providers.planning import stored
from tests.standins.loopback import KEY, Fate, Trouble, html

FLOOD_BYTES = 60_000_000
CALLBACK = "https://bot.example/hooks/some?token=a/b&c=d"


async def text_becomes_a_clip(house: House) -> None:
    task_id = await house.submit()
    one, two, three = await house.reads(task_id, 3)
    assert isinstance(one, Pending)
    assert isinstance(two, Pending)
    assert isinstance(three, Succeeded)
    clip = await house.clients.reads.get(three.video)
    assert (clip.status_code, clip.content) == (200, CLIP.read_bytes())
    assert urlsplit(three.video).netloc == house.account.trusted_host
    assert [one.task_id for one in house.provider.submits] == [task_id]


async def progress_is_told_where_the_row_says_so(house: House) -> None:
    task_id = await house.submit()
    told = [one.progress for one in await house.reads(task_id, 2) if isinstance(one, Pending)]
    assert (told[-1] is not None) == house.account.capabilities.tells_progress


async def last_frame_is_asked_for_and_read_where_there_is_one(house: House) -> None:
    (*_, end) = await house.reads(await house.submit(), 3)
    assert isinstance(end, Succeeded)
    assert (end.last_frame is not None) == (Option.LAST_FRAME in house.account.capabilities.options)
    assert end.last_frame != end.video


async def every_option_arrives_as_planned(house: House) -> None:
    row = house.account.capabilities
    for tier, one in row.tiers.items():
        for number, resolution in enumerate(one.resolutions):
            aspect = row.aspects[number % len(row.aspects)]
            seconds = row.durations[number % len(row.durations)]
            sound = number % 2 == 0 if row.sound_switchable and row.sound_available else None
            plan = house.plan(
                "A cat", tier=tier, resolution=resolution, aspect=aspect, duration_seconds=seconds, sound=sound
            )
            await _arrives(house, plan)


async def _arrives(house: House, plan: Plan) -> None:
    task_id = await house.submit(plan)
    understood = house.subject.understood(house.provider.tasks[task_id].input)
    expected = {
        "seconds": plan.duration_seconds,
        "aspect": plan.aspect.value,
        "resolution": plan.resolution,
        "sound": plan.sound,
        "seed": plan.seed,
        "model": plan.model,
    }
    assert {"seconds", "aspect"} <= set(understood)
    assert dict(understood) == {name: expected[name] for name in understood}


async def every_kind_of_reference_arrives_in_order(house: House) -> None:
    row = house.account.capabilities
    places = [place for place in FILES if place.startswith("@") and row.references_max[_kind(place)]]
    plan = house.plan(f"{' and '.join(reversed(places))} meet", *reversed(places))
    await house.submit(plan)
    assert house.provider.received == [one.sha256 for _, one in plan.slotted]


async def gaps_between_slots_close(house: House) -> None:
    plan = house.plan("@Image2 walks", "@Image2")
    await house.submit(plan)
    assert house.provider.received == [one.sha256 for one in plan.references]


async def frames_arrive_in_order(house: House) -> None:
    able = house.account.capabilities.frames
    if not able.first:
        return
    plan = house.plan("It moves", *(["end_frame"] if able.end else []), "first_frame")
    await house.submit(plan)
    by_place = {str(one.place): one.sha256 for one in plan.references}
    assert house.provider.received == [by_place[place] for place in ("first_frame", "end_frame") if place in by_place]


async def files_go_as_they_are_where_no_link_can_be_had(house: House) -> None:
    row = house.account.capabilities
    if not {Transport.BASE64, Transport.DATA_URI} & set(row.transports.get(Kind.IMAGE, ())):
        return
    plan = house.plan("@Image1 and @Image2 meet", "@Image1", "@Image2")
    await house.account.submit(attempt_id="a1", plan=plan, links={})
    assert house.provider.received == [one.sha256 for one in plan.references]
    assert house.provider.fetched == []


async def unreachable_reference_is_a_definite_no_without_its_link(house: House) -> None:
    if not house.account.capabilities.takes_link(Kind.IMAGE):
        return
    plan = house.plan("@Image1 walks", "@Image1")
    house.stored_path(plan.references[0].sha256).unlink()
    with pytest.raises(ProviderRefusedError) as caught:
        await house.submit(plan)
    assert house.links_for(plan)[plan.references[0].sha256] not in str(caught.value)
    assert house.provider.tasks == {}


async def what_describe_shows_is_what_is_sent(house: House) -> None:
    plan = house.plan("A cat", aspect=Aspect.TALL)
    shown = house.account.describe(plan=plan, links={})
    await house.submit(plan)
    assert (shown.method, shown.body) == ("POST", house.provider.submits[0].payload)
    assert shown.url.startswith(house.provider.url)
    assert KEY not in repr(shown)
    assert "***" in "".join(shown.headers.values())


async def callback_goes_where_the_documents_have_it(house: House) -> None:
    plan = house.plan("A cat")
    task_id = await house.submit(plan, callback=CALLBACK)
    calls_back = house.account.capabilities.calls_back
    assert house.provider.callbacks == ({task_id: CALLBACK} if calls_back else {})
    shown = house.account.describe(plan=plan, links={}, callback=CALLBACK)
    assert shown.body == house.provider.submits[0].payload
    assert shown.url == house.provider.url + house.provider.submits[0].path
    await house.submit(plan)
    assert set(house.provider.callbacks) <= {task_id}


async def unknown_status_is_still_running_and_logged_once(house: House) -> None:
    usual = house.provider.usual.statuses
    house.provider.fates.append(Fate(statuses=(usual[0], "IN_REVIEW", "IN_REVIEW", usual[-1])))
    task_id = await house.submit()
    with capture_logs() as lines:
        statuses = await house.reads(task_id, 4)
    assert [type(one) for one in statuses] == [Pending, Pending, Pending, Succeeded]
    assert [(line["event"], line["status"]) for line in lines] == [("status unknown", "in_review")]


async def status_that_goes_back_is_still_running(house: House) -> None:
    queued, running, done = house.provider.usual.statuses
    house.provider.fates.append(Fate(statuses=(running, queued, running, done)))
    statuses = await house.reads(await house.submit(), 4)
    assert [type(one) for one in statuses] == [Pending, Pending, Pending, Succeeded]


async def failed_task_ends_in_its_own_words(house: House) -> None:
    status = await house.end(_failing(house, "GPU lost"))
    assert status == Failed(reason="GPU lost")
    assert house.provider.charged_micros == 0


async def failed_task_without_words_ends_too(house: House) -> None:
    assert isinstance(await house.end(Fate(statuses=(house.provider.failed,))), Failed)


async def moderated_task_is_told_apart(house: House) -> None:
    if house.subject.moderated is not None:
        status = await house.end(house.subject.moderated("The image shows a real person."))
        assert isinstance(status, Failed)
        assert status.moderation
        assert "real person" in status.reason


async def failed_task_that_echoes_our_key_and_link_tells_neither(house: House) -> None:
    status = await house.end(_failing(house, f"key {KEY} could not fetch https://bot.example/files/token/a.png"))
    assert status == Failed(reason="key *** could not fetch https://bot.example/…")


async def success_without_a_link_is_a_failure(house: House) -> None:
    assert await house.end(replace(house.provider.usual, gives_link=False)) == NO_LINK


async def dead_link_is_fresh_after_another_read(house: House) -> None:
    task_id = await house.submit()
    (*_, old) = await house.reads(task_id, 3)
    house.provider.expire_links()
    (new,) = await house.reads(task_id, 1)
    assert isinstance(old, Succeeded)
    assert isinstance(new, Succeeded)
    assert (await house.clients.reads.get(old.video)).status_code == 403
    assert (await house.clients.reads.get(new.video)).status_code == 200


async def unknown_task_is_gone_and_so_is_a_finished_one_that_was_removed(house: House) -> None:
    with pytest.raises(TaskGoneError):
        await house.account.read(task_id="../../v1/tasks?x=1#")
    task_id = await house.submit()
    assert isinstance((await house.reads(task_id, 3))[-1], Succeeded)
    del house.provider.tasks[task_id]
    with pytest.raises(TaskGoneError):
        await house.account.read(task_id=task_id)


async def wrong_key_is_told_at_submit_and_passes_at_read(house: House) -> None:
    task_id, stranger = await house.submit(), house.account_at(key="other-key")
    with pytest.raises(ProviderAuthError):
        await house.submit(account=stranger)
    with pytest.raises(ProviderBusyError) as caught:
        await stranger.read(task_id=task_id)
    assert caught.value.is_key_refused


async def rate_limit_at_submit_waits_and_makes_nothing(house: House) -> None:
    for given, wait in (("3", 3.0), (None, None)):
        house.provider.submit_troubles.append(house.subject.rate_limited(given))
        with pytest.raises(NotSentError) as caught:
            await house.submit()
        assert (caught.value.retry_after_seconds, house.provider.tasks) == (wait, {})
        assert not caught.value.is_trouble


async def status_that_means_not_accepted_makes_nothing_and_is_trouble(house: House) -> None:
    for status in house.account.capabilities.refuses_with:
        house.provider.submit_troubles.append(
            replace(house.subject.error(status, "Oops"), headers={"Retry-After": "30"})
        )
        with pytest.raises(NotSentError) as caught:
            await house.submit()
        assert (caught.value.is_trouble, caught.value.retry_after_seconds) == (True, 30.0)
    assert house.provider.tasks == {}


async def moderation_and_payment_at_submit_are_told_apart(house: House) -> None:
    for trouble, kind in ((house.subject.moderation, ModerationError), (house.subject.payment, ProviderAccountError)):
        if trouble is not None:
            house.provider.submit_troubles.append(trouble)
            with pytest.raises(kind):
                await house.submit()
    assert house.provider.tasks == {}


async def bad_request_is_refused_in_its_own_words(house: House) -> None:
    house.provider.submit_troubles.append(house.subject.error(400, "The seed is wrong"))
    with pytest.raises(ProviderRefusedError, match="The seed is wrong"):
        await house.submit()


async def submit_that_may_have_made_a_task_is_unknown_and_sent_once(house: House) -> None:
    unsaid = next(status for status in (500, 502) if status not in house.account.capabilities.refuses_with)
    troubles = [
        Trouble(drops=True),
        Trouble(drops=True, creates=True),
        house.subject.error(unsaid, "Oops"),
        html(502),
        html(200, creates=True),
        house.subject.without_id(),
        Trouble(status=200, flood_bytes=FLOOD_BYTES, creates=True),
    ]
    for number, trouble in enumerate(troubles, start=1):
        house.provider.submit_troubles.append(trouble)
        with pytest.raises(UnknownOutcomeError):
            await house.submit()
        assert len(house.provider.submits) == number
    assert house.provider.flooded_bytes < FLOOD_BYTES


async def slow_submit_is_unknown_and_the_task_exists(house: House) -> None:
    let_go = asyncio.Event()
    house.provider.submit_troubles.append(Trouble(until=let_go))
    with pytest.raises(UnknownOutcomeError):
        await house.submit(account=house.account_at(seconds=0.2))
    let_go.set()
    assert (len(house.provider.submits), len(house.provider.tasks)) == (1, 1)


async def trouble_at_a_read_passes(house: House) -> None:
    task_id = await house.submit()
    troubles = [
        house.subject.rate_limited(None),
        house.subject.error(500, "Oops"),
        html(200),
        html(503),
        Trouble(drops=True),
        Trouble(status=200, body="null"),
        Trouble(status=200, body="{}"),
        Trouble(status=200, flood_bytes=FLOOD_BYTES),
    ]
    for trouble in troubles:
        house.provider.read_troubles.append(trouble)
        with pytest.raises(ProviderBusyError) as caught:
            await house.account.read(task_id=task_id)
        assert not caught.value.is_key_refused
    assert isinstance(await house.account.read(task_id=task_id), Pending)


async def waiting_task_is_cancelled_where_the_row_says_so(house: House) -> None:
    task_id = await house.submit()
    assert await house.account.cancel(task_id=task_id) == house.account.capabilities.cancels
    if house.account.capabilities.cancels:
        assert house.provider.charged_micros == 0
        assert isinstance((await house.reads(task_id, 1))[0], Failed)


async def task_that_runs_or_ended_is_not_cancelled_and_its_clip_stays(house: House) -> None:
    _, running, done = house.provider.usual.statuses
    for statuses in ((running, running, done), (done,)):
        house.provider.fates.append(Fate(statuses=statuses))
        task_id = await house.submit()
        assert not await house.account.cancel(task_id=task_id)
        assert isinstance((await house.reads(task_id, 3))[-1], Succeeded)
    assert not await house.account.cancel(task_id="no-such-task")


async def several_tasks_are_read_at_once_where_the_row_says_so(house: House) -> None:
    done = house.provider.usual.statuses[-1]
    house.provider.fates += [Fate(statuses=(done,)), _failing(house, "GPU lost"), house.provider.usual]
    one, two, three, other = [await house.submit() for _ in range(4)]
    if house.account.capabilities.lists and house.subject.dialect.list_path is not None:
        found = await house.account.read_many(task_ids=[one, two, three, "no-such-task"])
        assert other not in found
        assert isinstance(found[one], Succeeded)
        assert (found[two], found[three]) == (Failed(reason="GPU lost"), Pending())
    else:
        assert await house.account.read_many(task_ids=[one]) == {}


async def account_shows_its_name_and_never_its_key(house: House) -> None:
    assert house.account.account == "account#1"
    assert KEY not in repr(house.account)
    for key in ("canary\nkey", "canäry", "can ary"):
        with pytest.raises(ValueError, match="the key of account#1") as caught:
            house.account_at(key=key)
        assert key not in str(caught.value)


def _failing(house: House, words: str) -> Fate:
    """A task that fails with these words, in the shape of the dialect's own failures where it has one."""
    failing = getattr(house.provider, "failing", None)
    return failing(words) if failing else Fate(statuses=(house.provider.failed,), error=words)


def _kind(place: str) -> Kind:
    reference = stored(place).place
    assert isinstance(reference, Slot)
    return reference.kind


Check = Callable[[House], Awaitable[None]]
CHECKS: tuple[Check, ...] = (
    text_becomes_a_clip,
    every_option_arrives_as_planned,
    every_kind_of_reference_arrives_in_order,
    gaps_between_slots_close,
    frames_arrive_in_order,
    files_go_as_they_are_where_no_link_can_be_had,
    unreachable_reference_is_a_definite_no_without_its_link,
    what_describe_shows_is_what_is_sent,
    callback_goes_where_the_documents_have_it,
    progress_is_told_where_the_row_says_so,
    last_frame_is_asked_for_and_read_where_there_is_one,
    unknown_status_is_still_running_and_logged_once,
    status_that_goes_back_is_still_running,
    failed_task_ends_in_its_own_words,
    failed_task_without_words_ends_too,
    moderated_task_is_told_apart,
    failed_task_that_echoes_our_key_and_link_tells_neither,
    success_without_a_link_is_a_failure,
    dead_link_is_fresh_after_another_read,
    unknown_task_is_gone_and_so_is_a_finished_one_that_was_removed,
    wrong_key_is_told_at_submit_and_passes_at_read,
    rate_limit_at_submit_waits_and_makes_nothing,
    status_that_means_not_accepted_makes_nothing_and_is_trouble,
    moderation_and_payment_at_submit_are_told_apart,
    bad_request_is_refused_in_its_own_words,
    waiting_task_is_cancelled_where_the_row_says_so,
    task_that_runs_or_ended_is_not_cancelled_and_its_clip_stays,
    several_tasks_are_read_at_once_where_the_row_says_so,
    account_shows_its_name_and_never_its_key,
    slow_submit_is_unknown_and_the_task_exists,
    trouble_at_a_read_passes,
    submit_that_may_have_made_a_task_is_unknown_and_sent_once,
)


async def passes(subject: Subject, check: Check) -> None:
    async with opened(subject) as house:
        await check(house)


async def first_failure(subject: Subject) -> str | None:
    """The name of the first check that this adapter does not pass."""
    for check in CHECKS:
        try:
            await passes(subject, check)
        except (Exception, pytest.fail.Exception):  # noqa: BLE001 -- a mutant may break in any way
            return getattr(check, "__name__", "?")
    return None
