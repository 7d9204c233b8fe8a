"""The dialect of `seedance/v1/videos`: exact requests and every documented answer.

Bodies are typed from the specification of `apiyi` (2026-04-14).
"""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.domain.capabilities import quote_micros
from bot.domain.errors import ProviderRefusedError
from bot.domain.request_errors import OptionUnsupportedError
from bot.domain.requests import Aspect, Camera, Plan, Style, Tier
from bot.ports.outside import (
    Failed,
    NotSentError,
    Pending,
    ProviderBusyError,
    Succeeded,
    TaskStatus,
    UnknownOutcomeError,
)
from bot.providers.apiyi import (
    CAPABILITIES,
    DIALECT,
    PATHS,
    Shape,
    read_refusal,
    read_status,
    read_task_id,
    shape_of,
    to_payload,
)
from bot.providers.reading import NO_LINK, Refusal
from tests.providers.contract import CHECKS, Check, first_failure, passes
from tests.providers.house import House, Subject, opened
from tests.providers.mutants import MUTANTS
from tests.providers.planning import links_for, plan_for, stored
from tests.standins import apiyi as standin
from tests.standins.loopback import RefusedError


def plan_of(prompt: str, *references: object, **options: object) -> Plan:
    return plan_for(CAPABILITIES, prompt, *references, **options)  # type: ignore[arg-type] # passed on as they are


def payload(plan: Plan) -> dict[str, object]:
    """As it is sent, and as the provider takes it."""
    return standin.check_body(to_payload(plan, links_for(plan)))


def references_of(plan: Plan) -> list[dict[str, str]]:
    references = payload(plan)["references"]
    assert isinstance(references, list)
    return references


FOX = {
    "model": "seedance-2.0-fast",
    "prompt": "A fox",
    "resolution": "720p",
    "duration": 5,
    "aspect_ratio": "16:9",
    "audio": True,
    "seed": 7,
}


def test_text_alone() -> None:
    assert payload(plan_of("A fox")) == FOX


def test_every_option_set() -> None:
    plan = plan_of(
        "A fox",
        tier=Tier.PRO,
        duration_seconds=15,
        aspect=Aspect.ULTRAWIDE,
        sound=False,
        seed=0,
        style=Style.RENDER_3D,
        negative_prompt="rain",
    )
    assert payload(plan) == {
        "model": "seedance-2.0-pro",
        "prompt": "A fox",
        "resolution": "2k",
        "duration": 15,
        "aspect_ratio": "21:9",
        "audio": False,
        "seed": 0,
        "style": "3d_render",
        "negative_prompt": "rain",
    }


def test_image_shape_has_a_field_for_the_camera() -> None:
    plan = plan_of("It moves", "first_frame", camera=Camera.ORBIT_LEFT)
    assert payload(plan) == FOX | {
        "prompt": "It moves",
        "image_url": "https://bot.example/first_frame",
        "camera_motion": "orbit_left",
    }


@pytest.mark.parametrize("references", [(), ("@Image1",)])
def test_camera_is_said_in_words_where_no_field_is_documented(references: tuple[str, ...]) -> None:
    plan = plan_of("A fox", *references, camera=Camera.DOLLY_IN)
    assert payload(plan)["prompt"] == "A fox Camera: dolly in."
    assert "camera_motion" not in payload(plan)


def test_fixed_camera_is_said_in_words_beside_an_image_too() -> None:
    plan = plan_of("A fox", "first_frame", camera=Camera.FIXED)
    assert payload(plan)["prompt"] == "A fox Fixed camera."
    assert "camera_motion" not in payload(plan)


@pytest.mark.parametrize("camera", [one for one in Camera if one is not Camera.FIXED])
def test_every_camera_motion_is_spelled_as_documented(camera: Camera) -> None:
    assert payload(plan_of("A fox", "first_frame", camera=camera))["camera_motion"] in standin.CAMERA_MOTIONS


@pytest.mark.parametrize("style", Style)
def test_every_style_is_spelled_as_documented(style: Style) -> None:
    assert payload(plan_of("A fox", style=style))["style"] in standin.STYLES


def test_each_reference_has_the_role_of_its_kind() -> None:
    plan = plan_of("@Image3 moves like @Video2 to @Audio1", "@Audio1", "@Image3", "@Video2")
    assert payload(plan) == FOX | {
        "prompt": "Image 1 moves like Video 1 to Audio 1",
        "references": [
            {"type": "image", "role": "subject", "url": "https://bot.example/@Image3"},
            {"type": "video", "role": "motion", "url": "https://bot.example/@Video2"},
            {"type": "audio", "role": "audio", "url": "https://bot.example/@Audio1"},
        ],
    }


def test_role_said_in_the_prompt_overrides_and_leaves_the_words() -> None:
    plan = plan_of(
        "@Image1 walks in @image2  (Environment), as in @Video1(subject); (motion) and @Image1 (smiling) stay",
        "@Image1",
        "@Image2",
        "@Video1",
    )
    assert payload(plan)["prompt"] == "Image 1 walks in Image 2, as in Video 1; (motion) and Image 1 (smiling) stay"
    assert [one["role"] for one in references_of(plan)] == ["subject", "environment", "subject"]


def test_of_two_roles_for_one_reference_the_first_counts() -> None:
    plan = plan_of("@Image1 (environment), then @Image1 (motion)", "@Image1")
    assert payload(plan)["prompt"] == "Image 1, then Image 1"
    assert [one["role"] for one in references_of(plan)] == ["environment"]


def test_one_file_in_two_slots_is_sent_twice_each_with_its_role() -> None:
    plan = plan_of(
        "@Image1 in @Image2 (environment)", stored("@Image1", sha256="same"), stored("@Image2", sha256="same")
    )
    assert references_of(plan) == [
        {"type": "image", "role": role, "url": "https://bot.example/same"} for role in ("subject", "environment")
    ]


def test_full_house_keeps_the_order_of_the_slots() -> None:
    names = [f"@{kind}{n}" for kind, most in (("Image", 6), ("Video", 3), ("Audio", 3)) for n in range(1, most + 1)]
    plan = plan_of("All of them", *reversed(names))
    assert [one["url"] for one in references_of(plan)] == [f"https://bot.example/{name}" for name in names]


@pytest.mark.parametrize(
    ("references", "shape"),
    [((), Shape.TEXT), (("first_frame",), Shape.IMAGE), (("@Image1",), Shape.REFERENCES)],
)
def test_shape_follows_from_what_goes_in(references: tuple[str, ...], shape: Shape) -> None:
    assert shape_of(plan_of("A fox", *references)) is shape


MANY = (*(f"@Image{n}" for n in range(1, 10)), *(f"@Video{n}" for n in range(1, 4)), "@Audio1")


@pytest.mark.parametrize(
    ("refused", "references", "options"),
    [
        ("resolution 1080p; it has 720p or 480p here, and 1080p in standard or pro", (), {"resolution": "1080p"}),
        ("resolution 4k", (), {"resolution": "4k", "tier": Tier.PRO}),
        ("resolution 2k", (), {"resolution": "2k", "tier": Tier.STANDARD}),
        ("a duration of 3 s", (), {"duration_seconds": 3}),
        ("a duration of 16 s", (), {"duration_seconds": 16}),
        ("aspect auto", (), {"aspect": Aspect.AUTO}),
        ("13 references together", MANY, {}),
        ("an end frame", ("first_frame", "end_frame"), {}),
        ("a first or end frame together with @Image1", ("first_frame", "@Image1"), {}),
        ("a negative prompt of 501 characters", (), {"negative_prompt": "x" * 501}),
        ("a watermark", (), {"watermark": True}),
        ("web search", (), {"web_search": True}),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(
    refused: str, references: tuple[str, ...], options: dict[str, object]
) -> None:
    with pytest.raises(OptionUnsupportedError, match=f"^APIYI cannot do {refused}"):
        plan_of("A fox", *references, **options)


def test_words_that_a_camera_adds_count_towards_the_prompt() -> None:
    assert len(str(payload(plan_of("x" * 2000))["prompt"])) == 2000
    with pytest.raises(OptionUnsupportedError, match="a prompt of"):
        plan_of("x" * 1990, camera=Camera.DOLLY_IN)


@pytest.mark.parametrize("tier", CAPABILITIES.tiers)
@pytest.mark.parametrize("seconds", [4, 5, 15])
def test_upper_end_of_each_tiers_range_is_quoted(tier: Tier, seconds: int) -> None:
    plan = plan_of("A fox", tier=tier, duration_seconds=seconds)
    assert quote_micros(plan, CAPABILITIES) == standin.MICROS_PER_SECOND[plan.model] * seconds


@pytest.mark.parametrize("tier", CAPABILITIES.tiers)
def test_every_resolution_of_a_tier_is_taken(tier: Tier) -> None:
    for resolution in CAPABILITIES.tiers[tier].resolutions:
        assert payload(plan_of("A fox", tier=tier, resolution=resolution))["resolution"] == resolution


# -- answers

CLIP = "https://cdn.example/o.mp4"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"status": "queued"}, Pending()),
        ({"status": "generating"}, Pending()),
        ({"status": "completed", "output": {"video_url": CLIP}}, Succeeded(video=CLIP)),
        ({"status": "Completed", "output": {"video_url": [CLIP]}}, Succeeded(video=CLIP)),
        ({"status": "completed"}, NO_LINK),
        ({"status": "completed", "output": {}}, NO_LINK),
        ({"status": "completed", "video_url": CLIP}, NO_LINK),
        ({"status": "failed", "error": "prompt rejected"}, Failed(reason="prompt rejected")),
        ({"status": "failed", "error": {"message": "prompt rejected"}}, Failed(reason="prompt rejected")),
        ({"status": "failed"}, Failed(reason="it gave no reason")),
        ({"status": "failed", "output": {"video_url": CLIP}}, Failed(reason="it gave no reason")),
    ],
)
def test_status_is_the_tasks_own(answer: dict[str, object], status: TaskStatus) -> None:
    assert read_status(json.dumps(answer).encode()) == status


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"error":"x"}', b'{"data":{"status":"completed"}}'])
def test_body_that_is_no_task_says_nothing_of_the_task(body: bytes) -> None:
    with pytest.raises(ProviderBusyError):
        read_status(body)


@pytest.mark.parametrize(
    ("body", "task_id"),
    [
        (b'{"job_id":"job_81c3"}', "job_81c3"),
        (b'{"job_id":""}', None),
        (b'{"job_id":81}', None),
        (b'{"id":"job_81c3"}', None),
        (b"<html>", None),
    ],
)
def test_task_id_is_taken_from_its_place_only(body: bytes, task_id: str | None) -> None:
    assert read_task_id(body) == task_id


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error":"prompt too long"}', "prompt too long"),
        (b'{"error":{"message":"prompt too long"}}', "prompt too long"),
        (b'{"message":"prompt too long"}', "prompt too long"),
        (b"<html>", ""),
    ],
)
def test_refusal_is_read_from_the_usual_places(body: bytes, reason: str) -> None:
    assert read_refusal(body) == Refusal(reason=reason)


def test_account_keeps_inside_the_documented_limits() -> None:
    assert (CAPABILITIES.max_concurrent, CAPABILITIES.requests_per_second) == (3, 2.0)


def test_task_id_is_quoted_in_its_address() -> None:
    assert DIALECT.read_path("g-7/../b?c#") == "/videos/g-7%2F..%2Fb%3Fc%23"


# -- against the provider


def understood(body: dict[str, Any]) -> dict[str, object]:
    return {
        "model": body["model"],
        "seconds": body["duration"],
        "aspect": body["aspect_ratio"],
        "resolution": body["resolution"],
        "sound": body["audio"],
        "seed": body["seed"],
    }


SUBJECT = Subject(
    dialect=DIALECT,
    running=standin.running,
    understood=understood,
    root=standin.PATH,
    rate_limited=standin.rate_limited,
    without_id=standin.without_id,
    error=standin.error,
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


async def test_every_shape_is_taken_on_the_one_printed_path(house: House) -> None:
    image = house.keep("@Image1")
    for references in ((), (house.keep("first_frame"),), (image,)):
        plan = plan_of("A fox", *references)
        await house.submit(plan)
        assert PATHS[shape_of(plan)] == "/videos"
    assert [len(task.input) for task in house.provider.tasks.values()] == [7, 8, 8]


async def test_echoed_prompt_is_not_logged_without_its_roles_either(house: House) -> None:
    house.provider.submit_troubles.append(standin.error(502, "no capacity for: Image 1 walks home"))
    with capture_logs() as lines, pytest.raises(UnknownOutcomeError):
        await house.submit(plan_of("@Image1 (environment) walks home", house.keep("@Image1")))
    assert [line["body"] for line in lines] == ['{"error": "no capacity for: ***"}']


async def test_500_and_503_were_not_taken_and_other_faults_may_have_been(house: House) -> None:
    """Retry two or three times after 500, another endpoint or 30 s after 503, says its specification."""
    for status, kind in ((500, NotSentError), (503, NotSentError), (502, UnknownOutcomeError)):
        house.provider.submit_troubles.append(standin.error(status, "Oops"))
        with pytest.raises(kind):
            await house.submit()


async def test_reference_of_another_kind_is_refused_by_name(house: House) -> None:
    sound = replace(house.keep("@Audio1"), reference=stored("@Image1").reference, info=stored("@Image1").info)
    with pytest.raises(ProviderRefusedError, match=r"references\[0\] is not image"):
        await house.submit(plan_of("@Image1 walks", sound))


SUBJECT_IMAGE = {"type": "image", "role": "subject", "url": "https://bot.example/a"}


@pytest.mark.parametrize(
    "change",
    [
        {"model": "seedance-2.0-mini"},
        {"resolution": "1080p"},
        {"resolution": "4k"},
        {"duration": 3},
        {"duration": 16},
        {"duration": "5"},
        {"duration": True},
        {"aspect_ratio": "adaptive"},
        {"audio": "true"},
        {"seed": -1},
        {"prompt": ""},
        {"prompt": "x" * 2001},
        {"prompt": "@Image1 walks"},
        {"negative_prompt": "x" * 501},
        {"style": "3d"},
        {"camera_motion": "dolly_in"},
        {"camera_motion": "fixed", "image_url": "https://bot.example/a"},
        {"generate_audio": True},
        {"image_url": "http://bot.example/a"},
        {"image_url": "https://bot.example/a", "references": [SUBJECT_IMAGE]},
        {"references": []},
        {"references": [{"type": "image", "url": "https://bot.example/a"}]},
        {"references": [{"type": "image", "role": "style", "url": "https://bot.example/a"}]},
        {"references": [{"type": "text", "role": "subject", "url": "https://bot.example/a"}]},
        {"references": [{"type": "video", "role": "motion", "url": "https://bot.example/a"}] * 4},
        {"references": [SUBJECT_IMAGE] * 10},
    ],
)
def test_stand_in_refuses_what_the_documents_do_not_have(change: dict[str, object]) -> None:
    for good in ({}, {"references": [SUBJECT_IMAGE] * 9}, {"image_url": "https://bot.example/a"}):
        standin.check_body(FOX | good)
    with pytest.raises(RefusedError):
        standin.check_body(FOX | change)
