"""The dialect of ModelArk's content generation tasks: exact requests, every documented answer, and the contract.

Bodies are typed from docs.byteplus.com/en/docs/ModelArk/1520757 and /1299023 and the types of the official SDK, read
2026-11-20.
"""

import json
from typing import Any

import pytest

from bot.domain.capabilities import quote_micros
from bot.domain.errors import RequestError
from bot.domain.requests import Aspect, Camera, Plan, Tier
from bot.ports.outside import Failed, Pending, ProviderBusyError, Succeeded, TaskStatus
from bot.providers.ark import CAPABILITIES, DIALECT, list_path, read_list, read_refusal, read_status, to_payload
from bot.providers.bodies import Encoded
from bot.providers.reading import NO_LINK, Trouble
from tests.providers import contract, mutants
from tests.providers.house import Subject, opened
from tests.providers.planning import links_for, plan_for, stored
from tests.standins import ark as standin
from tests.standins.loopback import Fate


def understood(asked: dict[str, Any]) -> dict[str, object]:
    return {
        "seconds": asked["duration"],
        "aspect": "auto" if asked["ratio"] == "adaptive" else asked["ratio"],
        "resolution": asked["resolution"],
        "sound": asked["generate_audio"],
        "seed": asked["seed"],
        "model": asked["model"],
    }


SUBJECT = Subject(
    dialect=DIALECT,
    running=standin.running,
    understood=understood,
    root=standin.ROOT,
    rate_limited=standin.rate_limited,
    without_id=standin.without_id,
    error=standin.error,
    moderated=standin.moderated,
    moderation=standin.real_person(),
    payment=standin.overdue(),
)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: contract.Check) -> None:
    await contract.passes(SUBJECT, check)


@pytest.mark.parametrize("name", mutants.MUTANTS)
async def test_wrong_adapter_does_not_pass_the_contract(name: str) -> None:
    assert await contract.first_failure(mutants.mutated(SUBJECT, name)), f"{name} was not noticed"


@pytest.mark.parametrize("next_status", ["running", "succeeded"])
async def test_task_that_moves_on_while_it_is_being_cancelled_is_not_called_cancelled(next_status: str) -> None:
    async with opened(SUBJECT) as house:
        assert isinstance(house.provider, standin.Provider)
        house.provider.moves_on = True
        house.provider.fates.append(Fate(statuses=("queued", next_status)))
        assert not await house.account.cancel(task_id=await house.submit())


# -- requests


def plan_of(prompt: str, *references: Any, **options: Any) -> Plan:
    return plan_for(CAPABILITIES, prompt, *references, **options)


def payload(plan: Plan) -> dict[str, object]:
    return to_payload(plan, links_for(plan))


def image(place: str, role: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": f"https://bot.example/{place}"}, "role": role}


FOX = {
    "model": "dreamina-seedance-2-0-fast-260128",
    "content": [{"type": "text", "text": "A fox"}],
    "resolution": "720p",
    "ratio": "16:9",
    "duration": 5,
    "generate_audio": True,
    "watermark": False,
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
        camera=Camera.FIXED,
    )
    assert payload(plan) == FOX | {
        "model": "dreamina-seedance-2-0-260128",
        "resolution": "1080p",
        "ratio": "adaptive",
        "duration": 15,
        "generate_audio": False,
        "seed": 0,
        "watermark": True,
        "camera_fixed": True,
        "tools": [{"type": "web_search"}],
    }


def test_a_camera_that_moves_is_said_in_words() -> None:
    plan = plan_of("A fox", camera=Camera.DOLLY_IN)
    assert payload(plan) == FOX | {"content": [{"type": "text", "text": "A fox Camera: dolly in."}]}


def test_references_have_roles_and_are_mentioned_in_plain_words() -> None:
    plan = plan_of("@Image3 follows @image1 to @Audio1 like @Video2", "@Audio1", "@Video2", "@Image3", "@Image1")
    assert payload(plan)["content"] == [
        {"type": "text", "text": "Image 2 follows Image 1 to Audio 1 like Video 1"},
        image("@Image1", "reference_image"),
        image("@Image3", "reference_image"),
        {"type": "video_url", "video_url": {"url": "https://bot.example/@Video2"}, "role": "reference_video"},
        {"type": "audio_url", "audio_url": {"url": "https://bot.example/@Audio1"}, "role": "reference_audio"},
    ]


def test_frames_have_roles() -> None:
    content = payload(plan_of("It moves", "end_frame", "first_frame"))["content"]
    assert isinstance(content, list)
    assert content[1:] == [image("first_frame", "first_frame"), image("end_frame", "last_frame")]


def test_pictures_and_sounds_without_a_link_go_as_data_uris_and_videos_never() -> None:
    cat, song = stored("@Image1", sha256="cat"), stored("@Audio1", sha256="song")
    content = to_payload(plan_of("@Image1 sings", cat, song), {})["content"]
    assert isinstance(content, list)
    assert [item[item["type"]]["url"] for item in content[1:]] == [
        Encoded(sha256="cat", name=cat.name, size_bytes=100, prefix="data:image/jpeg;base64,"),
        Encoded(sha256="song", name=song.name, size_bytes=100, prefix="data:audio/wav;base64,"),
    ]
    with pytest.raises(KeyError):
        to_payload(plan_of("@Video1 again", "@Video1"), {})


@pytest.mark.parametrize(
    ("references", "options", "sentence"),
    [
        ([], {"resolution": "1080p"}, "it has 720p or 480p here, and 1080p in standard"),
        ([], {"tier": Tier.PRO}, "it has fast or standard"),
        ([], {"duration_seconds": 16}, "the nearest is 15 s"),
        ([], {"negative_prompt": "dogs"}, "a negative prompt"),
        (["first_frame", "@Image1"], {}, "use either frames or numbered references"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(references: list[str], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        plan_of("A fox", *references, **options)


def test_price_counts_the_tokens_of_the_picture() -> None:
    """5 s of 1280×720 are 108,900 tokens."""
    plan = plan_of("A fox", tier=Tier.STANDARD)
    assert quote_micros(plan, CAPABILITIES) == 108_900 * 14_100_000 // 1_000_000


# -- answers


def task(status: object, **fields: object) -> dict[str, object]:
    return {"id": "cgt-20261120093000-ab1cd", "status": status, "error": None, **fields}


def failing(code: str, message: str = "No. Request id: 0217") -> dict[str, object]:
    return task("failed", error={"code": code, "message": message})


CLIP = "https://tos.example/o.mp4?X-Tos-Expires=86400"
LAST = "https://tos.example/o.png"
DONE = task("succeeded", content={"video_url": CLIP, "last_frame_url": LAST}, usage={"completion_tokens": 108_900})
NO = "No. Request id: 0217"


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (task("queued"), Pending()),
        (task("running"), Pending()),
        (task("paused"), Pending()),
        (DONE, Succeeded(video=CLIP, last_frame=LAST)),
        (task("succeeded", content={"video_url": CLIP}), Succeeded(video=CLIP)),
        (task("succeeded", content={"last_frame_url": LAST}), NO_LINK),
        (task("succeeded", content=None), NO_LINK),
        (failing("InternalServiceError"), Failed(reason=NO)),
        (failing("OutputVideoSensitiveContentDetected"), Failed(reason=NO, moderation=True)),
        (failing("OutputAudioSensitiveContentDetected.PolicyViolation"), Failed(reason=NO, moderation=True)),
        (failing("InputTextRiskDetection"), Failed(reason=NO, moderation=True)),
        (task("failed", error="lost"), Failed(reason="lost")),
        (task("failed"), Failed(reason="it gave no reason")),
        (task("cancelled"), Failed(reason="it was cancelled there")),
        (task("expired"), Failed(reason="it ran out of time there")),
    ],
)
def test_status_is_the_tasks_own(told: dict[str, object], status: TaskStatus) -> None:
    assert read_status(json.dumps(told).encode()) == status


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"error": {"code": "x"}}'])
def test_body_that_is_no_task_says_nothing_of_the_task(body: bytes) -> None:
    with pytest.raises(ProviderBusyError):
        read_status(body)


def test_a_list_tells_each_task_and_no_end_without_its_clip() -> None:
    items = [DONE | {"id": "a"}, task("running") | {"id": "b"}, task("succeeded") | {"id": "c"}, task(None), "x"]
    assert read_list(json.dumps({"items": items, "total": 5}).encode()) == {
        "a": Succeeded(video=CLIP, last_frame=LAST),
        "b": Pending(),
    }
    assert read_list(b"<html>") == {}
    assert list_path(["a", "b/"]).partition("?")[2] == "page_num=1&page_size=2&filter.task_ids=a&filter.task_ids=b%2F"


@pytest.mark.parametrize(
    ("code", "message", "trouble"),
    [
        ("InvalidParameter", "bad seed", Trouble.BAD_REQUEST),
        ("InvalidParameter.TaskTypeConstraint", "no", Trouble.BAD_REQUEST),
        ("InvalidParameter", "'content[2]' is too short", Trouble.MEDIA_REJECTED),
        ("InvalidParameter", "'content[2]' could not be downloaded", Trouble.MEDIA_UNREACHABLE),
        ("InputImageSensitiveContentDetected.PrivacyInformation", "'content[1]' no", Trouble.MODERATION),
        ("SensitiveContentDetected.Violence", "no", Trouble.MODERATION),
        ("AuthenticationError", "no", Trouble.AUTH),
        ("AccountOverdueError", "no", Trouble.PAYMENT),
        ("AccessDenied", "no", Trouble.FORBIDDEN),
        ("InvalidEndpointOrModel.NotFound", "no", Trouble.FORBIDDEN),
        ("ResourceNotFound", "no", Trouble.NOT_FOUND),
        ("TaskRunningCannotCancel", "no", Trouble.CONFLICT),
        ("RateLimitExceeded.EndpointRPMExceeded", "no", Trouble.RATE_LIMITED),
        ("QuotaExceeded", "no", Trouble.CONCURRENCY),
        ("InternalServiceError", "no", Trouble.SERVER),
        ("SomethingNew", "no", None),
        (7, "no", None),
    ],
)
def test_errors_are_told_apart_by_code(code: object, message: str, trouble: Trouble | None) -> None:
    body = {"error": {"code": code, "message": message, "param": "", "type": "BadRequest"}}
    refusal = read_refusal(json.dumps(body).encode())
    assert (refusal.reason, refusal.trouble) == (message, trouble)
