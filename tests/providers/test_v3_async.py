"""The dialect of `/v3/async/seedance-2.0`: exact requests, every documented answer, and the contract.

Bodies are typed from the specification of `v3_async` (2026) and novita.ai/docs/api-reference/model-apis-task-result and
/basic-error-code, read 2026-11-20.
"""

import json
from typing import Any

import pytest

from bot.domain.capabilities import quote_micros
from bot.domain.errors import RequestError
from bot.domain.requests import Aspect, Plan, Tier
from bot.ports.outside import Failed, Pending, ProviderBusyError, Succeeded, TaskStatus
from bot.providers.bodies import Encoded
from bot.providers.reading import NO_LINK, Trouble
from bot.providers.v3_async import CAPABILITIES, DIALECT, read_refusal, read_status, read_task_id, to_payload
from tests.providers import contract, mutants
from tests.providers.house import Subject, opened
from tests.providers.planning import links_for, plan_for, stored
from tests.standins import v3_async as standin


def understood(asked: dict[str, Any]) -> dict[str, object]:
    return {
        "seconds": asked["duration"],
        "aspect": "auto" if asked["ratio"] == "adaptive" else asked["ratio"],
        "resolution": asked["resolution"],
        "sound": asked["generate_audio"],
        "seed": asked["seed"],
        "model": "seedance-2.0 fast" if asked["fast"] else "seedance-2.0",
    }


SUBJECT = Subject(
    dialect=DIALECT,
    running=standin.running,
    understood=understood,
    rate_limited=standin.rate_limited,
    without_id=standin.without_id,
    error=standin.error,
    moderated=standin.moderated,
    moderation=standin.illegal_prompt(),
    payment=standin.out_of_credit(),
)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: contract.Check) -> None:
    await contract.passes(SUBJECT, check)


@pytest.mark.parametrize("name", mutants.MUTANTS)
async def test_wrong_adapter_does_not_pass_the_contract(name: str) -> None:
    assert await contract.first_failure(mutants.mutated(SUBJECT, name)), f"{name} was not noticed"


async def test_address_that_does_not_exist_says_nothing_of_the_task() -> None:
    async with opened(SUBJECT) as house:
        task_id = await house.submit()
        house.provider.read_troubles.append(standin.error(404, "No such API", "API_NOT_FOUND"))
        with pytest.raises(ProviderBusyError, match="No such API"):
            await house.account.read(task_id=task_id)


# -- requests


def plan_of(prompt: str, *references: Any, **options: Any) -> Plan:
    return plan_for(CAPABILITIES, prompt, *references, **options)


def payload(plan: Plan) -> dict[str, object]:
    return to_payload(plan, links_for(plan))


FOX = {
    "prompt": "A fox",
    "fast": True,
    "resolution": "720p",
    "ratio": "16:9",
    "duration": 5,
    "watermark": False,
    "web_search": False,
    "generate_audio": True,
    "return_last_frame": True,
    "seed": 7,
}


def test_text_alone() -> None:
    assert payload(plan_of("A fox")) == FOX


def test_every_option_set() -> None:
    plan = plan_of(
        "A fox",
        tier=Tier.STANDARD,
        resolution="1080p",
        aspect=Aspect.AUTO,
        duration_seconds=15,
        sound=False,
        seed=0,
        watermark=True,
        web_search=True,
    )
    assert payload(plan) == FOX | {
        "fast": False,
        "resolution": "1080p",
        "ratio": "adaptive",
        "duration": 15,
        "generate_audio": False,
        "seed": 0,
        "watermark": True,
        "web_search": True,
    }


def test_references_are_listed_per_kind_and_mentioned_in_brackets() -> None:
    plan = plan_of("@Image3 follows @image1 to @Audio1 like @Video2", "@Audio1", "@Video2", "@Image3", "@Image1")
    assert payload(plan) == FOX | {
        "prompt": "[Image 2] follows [Image 1] to [Audio 1] like [Video 1]",
        "reference_images": ["https://bot.example/@Image1", "https://bot.example/@Image3"],
        "reference_videos": ["https://bot.example/@Video2"],
        "reference_audios": ["https://bot.example/@Audio1"],
    }


def test_frames_have_fields_of_their_own_and_the_shape_follows_the_first() -> None:
    assert payload(plan_of("It moves", "end_frame", "first_frame")) == FOX | {
        "prompt": "It moves",
        "ratio": "adaptive",
        "image": "https://bot.example/first_frame",
        "last_image": "https://bot.example/end_frame",
    }


def test_pictures_and_sounds_without_a_link_go_as_plain_base64_and_videos_never() -> None:
    cat, song = stored("@Image1", sha256="cat"), stored("@Audio1", sha256="song")
    sent = to_payload(plan_of("@Image1 sings", cat, song), {})
    assert sent["reference_images"] == [Encoded(sha256="cat", name=cat.name, size_bytes=100)]
    assert sent["reference_audios"] == [Encoded(sha256="song", name=song.name, size_bytes=100)]
    with pytest.raises(KeyError):
        to_payload(plan_of("@Video1 again", "@Video1"), {})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"resolution": "1080p"}, "cannot do resolution 1080p; it has 720p or 480p here, and 1080p in standard"),
        ({"tier": Tier.FAST, "resolution": "1080p"}, "1080p in standard"),
        ({"resolution": "4k"}, "cannot do resolution 4k; it has 720p or 480p here"),
        ({"tier": Tier.PRO}, "cannot do tier pro; it has fast or standard"),
        ({"duration_seconds": 3}, "the nearest is 4 s"),
        ({"duration_seconds": 16}, "the nearest is 15 s"),
        ({"negative_prompt": "dogs"}, "a negative prompt"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        plan_of("A fox", **options)


def test_a_long_prompt_is_advised_against_and_sent() -> None:
    assert plan_of("狐" * 501).notes == ("V3 Async advises at most 500 Chinese characters; this prompt has 501.",)
    assert plan_of("狐" * 500).notes == ()
    assert plan_of("f " * 999 + "f").notes == ()


def test_a_text_costs_its_seconds_and_nothing_of_the_minimum() -> None:
    assert quote_micros(plan_of("A fox", tier=Tier.STANDARD), CAPABILITIES) == 5 * 310_000


# -- answers


def answer(status: object, *, videos: object = (), images: object = (), **task: object) -> bytes:
    return json.dumps(
        {"task": {"task_id": "3f0c", "status": status, **task}, "videos": videos, "images": images}
    ).encode()


CLIP = "https://cdn.example/o.mp4"
CLIPS = [{"video_url": CLIP, "video_url_ttl": "3600", "video_type": "mp4"}]
LAST = "https://cdn.example/last.png"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (answer("TASK_STATUS_QUEUED"), Pending()),
        (answer("TASK_STATUS_PROCESSING", progress_percent=35, eta=60, reason=""), Pending(progress=35)),
        (answer("TASK_STATUS_PROCESSING", progress_percent="35"), Pending()),
        (answer("TASK_STATUS_PROCESSING", progress_percent=101), Pending()),
        (answer("TASK_STATUS_SOMETHING"), Pending()),
        (answer("TASK_STATUS_SUCCEED", videos=CLIPS), Succeeded(video=CLIP)),
        (answer("succeeded", videos=CLIPS, images=[{"image_url": LAST}]), Succeeded(video=CLIP, last_frame=LAST)),
        (answer("TASK_STATUS_SUCCEED", videos=CLIPS, images=[]), Succeeded(video=CLIP)),
        (answer("TASK_STATUS_SUCCEED", videos=CLIPS, images={"image_url": 1}), Succeeded(video=CLIP)),
        (answer("TASK_STATUS_SUCCEED", videos=CLIPS[0]), Succeeded(video=CLIP)),
        (answer("TASK_STATUS_SUCCEED", videos=[CLIP]), Succeeded(video=CLIP)),
        (answer("TASK_STATUS_SUCCEED", videos=[]), NO_LINK),
        (answer("TASK_STATUS_SUCCEED", videos=None), NO_LINK),
        (answer("TASK_STATUS_SUCCEED", videos=[{"video_url": "file:///etc/passwd"}]), NO_LINK),
        (answer("TASK_STATUS_SUCCEED", images=[{"image_url": LAST}]), NO_LINK),
        (answer("TASK_STATUS_FAILED", reason="GPU lost"), Failed(reason="GPU lost")),
        (answer("TASK_STATUS_FAILED", reason=""), Failed(reason="it gave no reason")),
        (answer("TASK_STATUS_FAILED", reason=None, videos=CLIPS), Failed(reason="it gave no reason")),
        (
            answer("TASK_STATUS_FAILED", reason="content policy rejected"),
            Failed(reason="content policy rejected", moderation=True),
        ),
    ],
)
def test_status_is_the_tasks_own(body: bytes, status: TaskStatus) -> None:
    assert read_status(body) == status


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"task": null}', b'{"task": {"status": null}}']
)
def test_body_that_is_no_task_says_nothing_of_the_task(body: bytes) -> None:
    with pytest.raises(ProviderBusyError):
        read_status(body)


def test_task_id_is_taken_from_its_place_only() -> None:
    assert read_task_id(b'{"task_id": "3f0c"}') == "3f0c"
    assert read_task_id(b'{"task": {"task_id": "3f0c"}}') is None


@pytest.mark.parametrize(
    ("name", "trouble"),
    [
        ("INVALID_REQUEST_BODY", Trouble.BAD_REQUEST),
        ("INVALID_IMAGE_FORMAT", Trouble.MEDIA_REJECTED),
        ("ILLEGAL_PROMPT", Trouble.MODERATION),
        ("ILLEGAL_IMAGE_CONTENT", Trouble.MODERATION),
        ("BILLING_BALANCE_NOT_ENOUGH", Trouble.PAYMENT),
        ("MISSING_API_KEY", Trouble.AUTH),
        ("INVALID_API_KEY", Trouble.AUTH),
        ("API_NOT_ALLOWED", Trouble.FORBIDDEN),
        ("NEED_REAL_NAME_VERIFY", Trouble.FORBIDDEN),
        ("TASK_NOT_FOUND", Trouble.NOT_FOUND),
        ("RATE_LIMIT_EXCEEDED", Trouble.RATE_LIMITED),
        ("SOMETHING_NEW", None),
    ],
)
def test_errors_are_told_apart_by_name(name: str, trouble: Trouble | None) -> None:
    refusal = read_refusal(json.dumps({"code": 400, "reason": name, "message": "Words"}).encode())
    assert (refusal.reason, refusal.trouble) == ("Words", trouble)
