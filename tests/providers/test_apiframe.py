"""Apiframe's dialect: exact requests, every documented answer, and the list.

Bodies are typed from the specification of `apiframe` (2026) and docs-v2.apiframe.ai/docs/jobs/get and /docs/jobs/list,
read 2026-11-20.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.capabilities import quote_micros
from bot.domain.errors import ProviderAuthError
from bot.domain.references import StoredReference
from bot.domain.request_errors import OptionUnsupportedError
from bot.domain.requests import Aspect, Camera, Plan, Style, Tier
from bot.ports.outside import Failed, Pending, ProviderBusyError, Succeeded, TaskStatus
from bot.providers.apiframe import (
    CAPABILITIES,
    DIALECT,
    list_path,
    read_list,
    read_refusal,
    read_status,
    read_task_id,
    to_payload,
)
from bot.providers.reading import NO_LINK, Refusal, Trouble
from tests.providers.contract import CHECKS, Check, first_failure, passes
from tests.providers.house import House, Subject, opened
from tests.providers.mutants import MUTANTS
from tests.providers.planning import links_for, plan_for
from tests.standins import apiframe as standin
from tests.standins.loopback import RefusedError


def plan_of(prompt: str, *references: str | StoredReference, **options: object) -> Plan:
    return plan_for(CAPABILITIES, prompt, *references, **{"duration_seconds": 6, **options})


def payload(plan: Plan) -> dict[str, object]:
    body = to_payload(plan, links_for(plan))
    standin.check_body(body)
    return body


def parameters(plan: Plan) -> dict[str, object]:
    nested = payload(plan)["seedanceParams"]
    assert isinstance(nested, dict)
    return nested


FOX = {
    "resolution": "720p",
    "duration": 6,
    "aspect_ratio": "16:9",
    "generate_audio": True,
    "return_last_frame": True,
    "web_search": False,
    "camera_fixed": False,
    "seed": 7,
}


def test_text_alone() -> None:
    assert payload(plan_of("A fox")) == {"model": "seedance-2", "prompt": "A fox", "seedanceParams": FOX}


def test_every_option_set() -> None:
    plan = plan_of(
        "A fox",
        tier=Tier.STANDARD,
        duration_seconds=15,
        resolution="1080p",
        aspect=Aspect.TALL,
        sound=False,
        seed=0,
        camera=Camera.FIXED,
        web_search=True,
    )
    assert parameters(plan) == {
        "resolution": "1080p",
        "duration": 15,
        "aspect_ratio": "9:16",
        "generate_audio": False,
        "return_last_frame": True,
        "web_search": True,
        "camera_fixed": True,
        "seed": 0,
    }


def test_moving_camera_and_style_are_said_in_words() -> None:
    sent = payload(plan_of("A fox", camera=Camera.PAN_LEFT, style=Style.RENDER_3D))
    assert sent["prompt"] == "A fox Camera: pan left. Style: 3D render."
    assert sent["seedanceParams"] == FOX


def test_frames_have_fields_of_their_own_and_the_aspect_follows_them() -> None:
    assert parameters(plan_of("It moves", "end_frame", "first_frame")) == FOX | {
        "aspect_ratio": "adaptive",
        "start_image": "https://bot.example/first_frame",
        "end_image": "https://bot.example/end_frame",
    }


def test_references_are_lists_by_kind_and_mentions_plain_words() -> None:
    plan = plan_of("@Image3 follows @Image1 like @Video2 to @Audio1", "@Audio1", "@Image3", "@Video2", "@Image1")
    assert payload(plan) == {
        "model": "seedance-2",
        "prompt": "Image 2 follows Image 1 like Video 1 to Audio 1",
        "seedanceParams": FOX
        | {
            "reference_image_urls": ["https://bot.example/@Image1", "https://bot.example/@Image3"],
            "reference_video_urls": ["https://bot.example/@Video2"],
            "reference_audio_urls": ["https://bot.example/@Audio1"],
        },
    }


def test_full_house_keeps_the_order_of_the_slots() -> None:
    names = [f"@{kind}{n}" for kind, most in (("Image", 9), ("Video", 3), ("Audio", 3)) for n in range(1, most + 1)]
    sent = parameters(plan_of("All of them", *reversed(names)))
    lists = [sent[field] for field in standin.LISTS_MAX]
    assert [link for one in lists if isinstance(one, list) for link in one] == [
        f"https://bot.example/{name}" for name in names
    ]


@pytest.mark.parametrize(
    ("refused", "references", "options"),
    [
        ("tier fast", (), {"tier": Tier.FAST}),
        ("resolution 4k; it has 720p, 480p or 1080p", (), {"resolution": "4k"}),
        ("a duration of 5 s; the nearest is 4 s", (), {"duration_seconds": 5}),
        ("a duration of 16 s; the nearest is 15 s", (), {"duration_seconds": 16}),
        ("a first or end frame together with @Image1", ("first_frame", "@Image1"), {}),
        ("a negative prompt", (), {"negative_prompt": "rain"}),
        ("a watermark", (), {"watermark": True}),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(
    refused: str, references: tuple[str, ...], options: dict[str, object]
) -> None:
    with pytest.raises(OptionUnsupportedError, match=f"^Apiframe cannot do {refused}"):
        plan_of("A fox", *references, **options)


@pytest.mark.parametrize("seconds", CAPABILITIES.durations)
@pytest.mark.parametrize(("resolution", "micros"), [("480p", 200_000), ("720p", 400_000), ("1080p", 900_000)])
def test_price_is_an_estimate_and_quoted_as_any_other(seconds: int, resolution: str, micros: int) -> None:
    plan = plan_of("A fox", duration_seconds=seconds, resolution=resolution)
    assert quote_micros(plan, CAPABILITIES) == micros * seconds
    assert CAPABILITIES.tiers[plan.tier].price.is_estimate


# -- answers

CLIP = "https://cdn.example/o.mp4"
LAST = "https://cdn.example/o.PNG?signature=1"
NO_RESULTS: list[object] = [None, "", [], {}, [LAST], "file:///etc/passwd"]


def job(status: str, **members: object) -> dict[str, object]:
    empty = {"progress": 0, "result": None, "error": None, "creditCost": 60}
    return {"id": "b2c3", "status": status, "model": "seedance-2", **empty, **members}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (job("QUEUED"), Pending(progress=0)),
        (job("PROCESSING", progress=40), Pending(progress=40)),
        (job("PROCESSING", progress=140), Pending()),
        (job("PROCESSING", progress=None), Pending()),
        (job("REVIEWING", progress=40), Pending(progress=40)),
        (job("COMPLETED", result=CLIP), Succeeded(video=CLIP)),
        (job("COMPLETED", result=[CLIP]), Succeeded(video=CLIP)),
        (job("COMPLETED", result=[LAST, CLIP]), Succeeded(video=CLIP, last_frame=LAST)),
        (job("COMPLETED", result=[CLIP, LAST]), Succeeded(video=CLIP, last_frame=LAST)),
        (job("COMPLETED", result=[{"url": LAST}, {"url": CLIP}]), Succeeded(video=CLIP, last_frame=LAST)),
        (job("COMPLETED", result={"url": CLIP}), Succeeded(video=CLIP)),
        (job("COMPLETED", result={"video_url": CLIP}), Succeeded(video=CLIP)),
        *((job("COMPLETED", result=result), NO_LINK) for result in NO_RESULTS),
        (job("FAILED", error="GPU lost"), Failed(reason="GPU lost")),
        (job("FAILED", error={"message": "GPU lost"}), Failed(reason="GPU lost")),
        (job("FAILED"), Failed(reason="it gave no reason")),
        (job("FAILED", result=CLIP, error="GPU lost"), Failed(reason="GPU lost")),
        (
            job("FAILED", error="Rejected: Content policy violation (face)"),
            Failed(reason="Rejected: Content policy violation (face)", moderation=True),
        ),
    ],
)
def test_status_is_the_jobs_own(answer: dict[str, object], status: TaskStatus) -> None:
    assert read_status(json.dumps(answer).encode()) == status


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"error":"x"}', b'{"jobs":[]}'])
def test_body_that_is_no_job_says_nothing_of_the_job(body: bytes) -> None:
    with pytest.raises(ProviderBusyError):
        read_status(body)


def test_list_leaves_out_an_end_that_it_may_have_shortened() -> None:
    jobs: list[object] = [
        job("PROCESSING", id="a", progress=40),
        job("COMPLETED", id="b", result=CLIP),
        job("COMPLETED", id="c"),
        job("FAILED", id="d", error="GPU lost"),
        job("FAILED", id="e"),
        {"id": "f"},
        "g",
    ]
    body = json.dumps({"jobs": jobs, "nextCursor": None, "hasMore": False}).encode()
    assert read_list(body) == {"a": Pending(progress=40), "b": Succeeded(video=CLIP), "d": Failed(reason="GPU lost")}


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"jobs":null}', b'{"jobs":{}}'])
def test_body_that_is_no_list_says_nothing_of_any_job(body: bytes) -> None:
    assert read_list(body) == {}


def test_list_is_asked_for_one_whole_page_of_this_model() -> None:
    assert list_path(["a", "b"]) == "/v2/jobs?model=seedance-2&limit=100"


@pytest.mark.parametrize(
    ("body", "task_id"),
    [
        (b'{"jobId":"b2c3d4e5","status":"QUEUED"}', "b2c3d4e5"),
        (b'{"jobId":""}', None),
        (b'{"jobId":7}', None),
        (b'{"job_id":"b2c3"}', None),
        (b'{"id":"b2c3"}', None),
        (b"<html>", None),
    ],
)
def test_task_id_is_taken_from_its_place_only(body: bytes, task_id: str | None) -> None:
    assert read_task_id(body) == task_id


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b'{"error":"bad seed"}', Refusal(reason="bad seed")),
        (b'{"message":"bad seed"}', Refusal(reason="bad seed")),
        (b'{"error":{"message":"bad seed"}}', Refusal(reason="bad seed")),
        (
            b'{"error":"Content policy violation"}',
            Refusal(reason="Content policy violation", trouble=Trouble.MODERATION),
        ),
        (b"<html>", Refusal()),
    ],
)
def test_refusal_is_read_from_the_usual_places(body: bytes, refusal: Refusal) -> None:
    assert read_refusal(body) == refusal


def test_task_id_is_quoted_in_its_address() -> None:
    assert DIALECT.read_path("g-7/../b?c#") == "/v2/jobs/g-7%2F..%2Fb%3Fc%23"


# -- against the provider


def understood(asked: dict[str, Any]) -> dict[str, object]:
    return {
        "model": asked["model"],
        "seconds": asked["duration"],
        "aspect": asked["aspect_ratio"].replace("adaptive", "auto"),
        "resolution": asked["resolution"],
        "sound": asked["generate_audio"],
        "seed": asked["seed"],
    }


SUBJECT = Subject(
    dialect=DIALECT,
    running=standin.running,
    understood=understood,
    rate_limited=standin.rate_limited,
    without_id=standin.without_id,
    error=standin.error,
    moderated=standin.moderated,
    moderation=standin.error(400, "Content policy violation: a face"),
    payment=standin.out_of_credit(),
)


@pytest.mark.parametrize("check", CHECKS)
async def test_contract(check: Check) -> None:
    await passes(SUBJECT, check)


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_mutant_does_not_get_through(mutant: str) -> None:
    assert await first_failure(replace(SUBJECT, dialect=MUTANTS[mutant](DIALECT))) is not None


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened(SUBJECT) as house:
        yield house


async def test_key_goes_into_its_own_header_alone(house: House) -> None:
    shown = house.account.describe(plan=plan_of("A fox"), links={})
    assert shown.url == f"{house.provider.url}/v2/videos/generate"
    assert (shown.headers["X-API-Key"], "Authorization" in shown.headers) == ("***", False)
    with pytest.raises(ProviderAuthError):
        await house.submit(plan_of("A fox"), house.account_at(key="other-key"))


async def test_one_request_tells_of_all_on_its_page(house: House) -> None:
    tasks = [await house.submit(plan_of("A fox")) for _ in range(standin.LIST_MAX + 1)]
    assert set(await house.account.read_many(task_ids=tasks)) == set(tasks[1:])


@pytest.mark.parametrize(
    "change",
    [
        {"seed": -1},
        {"duration": 5},
        {"duration": "6"},
        {"resolution": "4k"},
        {"aspect_ratio": "auto"},
        {"generate_audio": "false"},
        {"watermark": False},
        {"reference_image_urls": []},
        {"reference_image_urls": ["https://bot.example/a"] * 10},
        {"reference_video_urls": ["https://bot.example/a"] * 4},
        {"reference_audio_urls": ["http://bot.example/a"]},
        {"start_image": "/a.png"},
    ],
)
def test_stand_in_refuses_what_the_documents_do_not_have(change: dict[str, object]) -> None:
    good = {"model": "seedance-2", "prompt": "A fox", "seedanceParams": FOX}
    standin.check_body(good)
    for bad in (good | {"seedanceParams": FOX | change}, good | {"model": "seedance-2.5"}, good | {"seed": 7}):
        with pytest.raises(RefusedError):
            standin.check_body(bad)
