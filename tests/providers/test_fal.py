"""The dialect of fal.ai's queue: exact requests, every documented answer, and the contract.

Bodies are typed from fal.ai/docs/model-api-reference/video-generation-api/bytedance-seedance-2.0-reference-to-video,
fal.ai/docs/documentation/model-apis/inference/queue and …/model-apis/errors, read 2026-11-20.
"""

import json
from typing import Any

import pytest

from bot.domain.capabilities import quote_micros
from bot.domain.errors import ModerationError, ProviderRefusedError, RequestError
from bot.domain.requests import Aspect, Camera, Plan, Tier
from bot.ports.outside import Failed, Pending, ProviderBusyError, Succeeded, TaskGoneError, TaskStatus
from bot.providers.fal import (
    CAPABILITIES,
    DIALECT,
    RESULT,
    is_cancelled,
    is_end,
    read_refusal,
    read_result,
    read_status,
    submit_path,
    to_payload,
)
from bot.providers.reading import NO_LINK, Elsewhere
from bot.providers.reading import Trouble as Meaning
from tests.providers import contract, mutants
from tests.providers.house import CLIP, House, Subject, opened
from tests.providers.planning import links_for, plan_for
from tests.standins import fal as standin
from tests.standins.loopback import Fate, Trouble, html


def understood(asked: dict[str, Any]) -> dict[str, object]:
    return {
        "seconds": int(asked["duration"]),
        "aspect": asked["aspect_ratio"],
        "resolution": asked["resolution"],
        "sound": asked["generate_audio"],
        "seed": asked["seed"],
        "model": "/".join(filter(None, ("bytedance/seedance-2.0", asked["tier"]))),
    }


SUBJECT = Subject(
    dialect=DIALECT,
    running=standin.running,
    understood=understood,
    rate_limited=standin.rate_limited,
    without_id=standin.without_id,
    error=standin.error,
    moderated=standin.moderated,
    moderation=standin.flagged(),
)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: contract.Check) -> None:
    await contract.passes(SUBJECT, check)


@pytest.mark.parametrize("name", mutants.MUTANTS)
async def test_wrong_adapter_does_not_pass_the_contract(name: str) -> None:
    assert await contract.first_failure(mutants.mutated(SUBJECT, name)), f"{name} was not noticed"


# -- the result, which is another address


def provider_of(house: House) -> standin.Provider:
    assert isinstance(house.provider, standin.Provider)
    return house.provider


async def done(house: House) -> str:
    house.provider.fates.append(Fate(statuses=("COMPLETED",)))
    return await house.submit()


async def test_addresses_of_an_answer_are_not_followed_to_another_host() -> None:
    """Our key would go with the request."""
    async with opened(SUBJECT) as house, standin.running(clip=CLIP) as other:
        provider_of(house).named_base = other.url
        (status,) = await house.reads(await done(house), 1)
        assert isinstance(status, Succeeded)
        assert other.connections == set()
        assert house.provider.url in status.video


async def test_trouble_at_the_result_passes() -> None:
    async with opened(SUBJECT) as house:
        task_id = await done(house)
        early = Trouble(status=400, body='{"detail": "Request is still in progress"}')
        troubles = [
            early,
            standin.rate_limited(),
            html(500),
            html(502),
            html(200),
            html(422),
            standin.error(401, "no user"),
        ]
        for trouble in troubles:
            provider_of(house).result_troubles.append(trouble)
            with pytest.raises(ProviderBusyError):
                await house.account.read(task_id=task_id)
        assert isinstance(await house.account.read(task_id=task_id), Succeeded)


async def test_result_that_is_not_there_any_more_is_gone() -> None:
    async with opened(SUBJECT) as house:
        task_id = await done(house)
        provider_of(house).result_troubles.append(standin.error(404, "Request not found"))
        with pytest.raises(TaskGoneError):
            await house.account.read(task_id=task_id)


async def test_failure_that_only_the_result_tells_is_the_tasks_end() -> None:
    async with opened(SUBJECT) as house:
        task_id = await done(house)
        for status, kind in ((500, "internal_server_error"), (504, "generation_timeout"), (422, "file_download_error")):
            provider_of(house).result_troubles.append(standin.error(status, "It broke", kind))
            assert await house.account.read(task_id=task_id) == Failed(reason="It broke")


async def test_reference_that_it_cannot_fetch_is_named_as_such() -> None:
    async with opened(SUBJECT) as house:
        house.provider.submit_troubles.append(standin.error(422, "No file there", "file_download_error"))
        with pytest.raises(ProviderRefusedError, match=r"could not fetch a reference\. No file there"):
            await house.submit()


async def test_flagged_prompt_is_moderation_in_its_words() -> None:
    async with opened(SUBJECT) as house:
        house.provider.submit_troubles.append(standin.flagged("Flagged"))
        with pytest.raises(ModerationError, match="Flagged"):
            await house.submit()


@pytest.mark.parametrize("next_status", ["IN_PROGRESS", "COMPLETED"])
async def test_task_that_moves_on_while_it_is_being_cancelled_is_not_called_cancelled(next_status: str) -> None:
    async with opened(SUBJECT) as house:
        provider_of(house).moves_on = True
        house.provider.fates.append(Fate(statuses=("IN_QUEUE", next_status, "COMPLETED")))
        task_id = await house.submit()
        assert not await house.account.cancel(task_id=task_id)
        assert isinstance((await house.reads(task_id, 2))[-1], Succeeded)


# -- requests


def plan_of(prompt: str, *references: Any, **options: Any) -> Plan:
    return plan_for(CAPABILITIES, prompt, *references, **options)


def payload(plan: Plan) -> dict[str, object]:
    return to_payload(plan, links_for(plan))


FOX = {
    "prompt": "A fox",
    "resolution": "720p",
    "duration": "5",
    "aspect_ratio": "16:9",
    "generate_audio": True,
    "seed": 7,
}


def test_text_alone() -> None:
    plan = plan_of("A fox")
    assert (submit_path(plan), payload(plan)) == ("/bytedance/seedance-2.0/fast/text-to-video", FOX)


def test_every_option_set() -> None:
    plan = plan_of(
        "A fox",
        tier=Tier.STANDARD,
        resolution="1080p",
        aspect=Aspect.AUTO,
        duration_seconds=15,
        sound=False,
        seed=0,
        camera=Camera.FIXED,
    )
    assert submit_path(plan) == "/bytedance/seedance-2.0/text-to-video"
    assert payload(plan) == {
        "prompt": "A fox Fixed camera.",
        "resolution": "1080p",
        "duration": "15",
        "aspect_ratio": "auto",
        "generate_audio": False,
        "seed": 0,
    }


def test_frames_have_a_path_of_their_own() -> None:
    plan = plan_of("It moves", "end_frame", "first_frame")
    assert submit_path(plan) == "/bytedance/seedance-2.0/fast/image-to-video"
    assert payload(plan) == FOX | {
        "prompt": "It moves",
        "aspect_ratio": "auto",
        "image_url": "https://bot.example/first_frame",
        "end_image_url": "https://bot.example/end_frame",
    }


def test_references_have_a_path_of_their_own_and_keep_their_mentions() -> None:
    plan = plan_of("@Image3 follows @image1 to @Audio1 like @Video2", "@Audio1", "@Video2", "@Image3", "@Image1")
    assert submit_path(plan) == "/bytedance/seedance-2.0/fast/reference-to-video"
    assert payload(plan) == FOX | {
        "prompt": "@Image2 follows @Image1 to @Audio1 like @Video1",
        "image_urls": ["https://bot.example/@Image1", "https://bot.example/@Image3"],
        "video_urls": ["https://bot.example/@Video2"],
        "audio_urls": ["https://bot.example/@Audio1"],
    }


@pytest.mark.parametrize(
    ("references", "options", "sentence"),
    [
        ([], {"resolution": "1080p"}, "it has 720p or 480p here, and 1080p in standard"),
        ([], {"tier": Tier.PRO}, "it has fast or standard"),
        ([], {"duration_seconds": 3}, "the nearest is 4 s"),
        ([], {"negative_prompt": "dogs"}, "a negative prompt"),
        ([], {"watermark": True}, "a watermark"),
        (["first_frame", "@Image1"], {}, "use either frames or numbered references"),
        ([*(f"@Image{n}" for n in range(1, 10)), *(f"@Video{n}" for n in (1, 2, 3)), "@Audio1"], {}, "12 is the most"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(references: list[str], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        plan_of("A fox", *references, **options)


@pytest.mark.parametrize(
    ("references", "options", "least_micros", "most_micros"),
    [
        # Its page: $0.3024 a second of 720p, and $0.2419 in the fast tier; the model's own count adds one frame.
        ([], {"tier": Tier.STANDARD}, 5 * 302_400, 5 * 304_920),
        ([], {}, 5 * 241_900, 5 * 243_940),
        # "With video inputs and 720p resolution the price is $0.1814 per second", of input and output together.
        (["@Video1"], {"tier": Tier.STANDARD}, 8 * 181_400, 8 * 182_400),
        ([], {"tier": Tier.STANDARD, "resolution": "1080p"}, 5 * 680_400, 5 * 686_070),
    ],
)
def test_price_is_what_its_page_says_a_second(
    references: list[str], options: dict[str, Any], least_micros: int, most_micros: int
) -> None:
    assert least_micros <= quote_micros(plan_of("A fox", *references, **options), CAPABILITIES) <= most_micros


# -- answers


def body_of(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"status": "IN_QUEUE", "queue_position": 3}, Pending()),
        ({"status": "IN_PROGRESS", "logs": None}, Pending()),
        ({"status": "IN_PROGRESS", "error": "a runner was lost"}, Pending()),
        ({"status": "PAUSED"}, Pending()),
        ({"status": "COMPLETED", "error": None}, RESULT),
        ({"status": "COMPLETED", "error": "lost", "error_type": "runner_disconnected"}, Failed(reason="lost")),
        ({"status": "COMPLETED", "error_type": "request_timeout"}, Failed(reason="it gave no reason")),
        (
            {"status": "COMPLETED", "error": "No", "error_type": "content_policy_violation"},
            Failed(reason="No", moderation=True),
        ),
        ({"status": "FAILED", "error": "lost"}, Failed(reason="lost")),
    ],
)
def test_status_is_the_tasks_own(told: dict[str, object], status: TaskStatus | Elsewhere) -> None:
    assert read_status(body_of(**told)) == status


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"detail": "Not found"}'])
def test_body_that_is_no_task_says_nothing_of_the_task(body: bytes) -> None:
    with pytest.raises(ProviderBusyError):
        read_status(body)


def test_result_is_the_clip() -> None:
    assert read_result(body_of(video={"url": "https://v3.fal.media/o.mp4"}, seed=7)) == Succeeded(
        video="https://v3.fal.media/o.mp4"
    )
    assert read_result(body_of(seed=7)) == NO_LINK


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null"])
def test_body_that_is_no_result_says_nothing_of_the_task(body: bytes) -> None:
    with pytest.raises(ProviderBusyError):
        read_result(body)


NAMED = [{"loc": ["body", "prompt"], "msg": "No", "type": "content_policy_violation"}]


@pytest.mark.parametrize(
    ("status", "detail", "ends"),
    [
        (422, NAMED, True),
        (422, "Request was cancelled", True),
        (400, "Request is still in progress", False),
        (400, NAMED, True),
        (422, "", False),
        (422, [], False),
        (500, NAMED, True),
        (504, NAMED, True),
        (500, "Internal Server Error", False),
        (502, NAMED, False),
        (401, NAMED, False),
        (404, NAMED, False),
        (429, NAMED, False),
    ],
)
def test_refusal_of_the_result_that_is_the_tasks_own_ends_it(status: int, detail: object, ends: object) -> None:
    assert is_end(status, body_of(detail=detail)) is ends


@pytest.mark.parametrize(
    ("detail", "reason", "trouble"),
    [
        (NAMED, "No", Meaning.MODERATION),
        ([{"msg": "Too small", "type": "image_too_small"}], "Too small", Meaning.MEDIA_REJECTED),
        ([{"msg": "No file", "type": "file_download_error"}], "No file", Meaning.MEDIA_UNREACHABLE),
        ([{"msg": "Field required", "type": "missing"}], "Field required", None),
        ([{"msg": "Odd", "type": 7}], "Odd", None),
        (["a text"], "", None),
        ("No user found", "No user found", None),
        (None, "", None),
    ],
)
def test_errors_are_told_apart_by_type(detail: object, reason: str, trouble: Meaning | None) -> None:
    refusal = read_refusal(body_of(detail=detail))
    assert (refusal.reason, refusal.trouble) == (reason, trouble)


def test_only_what_was_taken_out_of_the_queue_is_cancelled() -> None:
    assert is_cancelled(body_of(status="OK"))
    for status in ("CANCELLATION_REQUESTED", "ALREADY_COMPLETED", None):
        assert not is_cancelled(body_of(status=status))
    assert not is_cancelled(b"")
