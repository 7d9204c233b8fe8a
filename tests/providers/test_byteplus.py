"""The dialect of `/generate` and `/status/{job_id}`: exact requests and every documented answer.

Bodies are typed from the specification of `byteplus` (2025).
"""

import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.capabilities import quote_micros
from bot.domain.errors import ProviderRefusedError, RequestError
from bot.domain.requests import Aspect, Camera, Plan, Style, Tier
from bot.ports.outside import Failed, NotSentError, Pending, ProviderBusyError, Succeeded, TaskStatus
from bot.providers.bodies import Encoded, body_of, shown
from bot.providers.byteplus import CAPABILITIES, DIALECT, read_refusal, read_status, read_task_id, to_payload
from bot.providers.reading import NO_LINK, Refusal
from tests.providers.contract import CHECKS, Check, first_failure, passes
from tests.providers.house import House, Subject, opened
from tests.providers.mutants import MUTANTS
from tests.providers.planning import links_for, plan_for, stored
from tests.standins import byteplus as standin
from tests.standins.loopback import RefusedError

MEGABYTE = 1_000_000


def plan_of(prompt: str, *references: object, **options: object) -> Plan:
    return plan_for(CAPABILITIES, prompt, *references, **options)  # type: ignore[arg-type] # passed on as they are


def payload(plan: Plan) -> dict[str, object]:
    body = to_payload(plan, links_for(plan))
    standin.check_body(body)
    return body


FOX = {"prompt": "A fox", "resolution": "720p", "duration": 5, "aspect_ratio": "16:9"}


def test_text_alone() -> None:
    assert payload(plan_of("A fox")) == FOX


def test_every_option_set() -> None:
    plan = plan_of(
        "A fox", tier=Tier.STANDARD, duration_seconds=10, resolution="1080p", aspect=Aspect.SQUARE, sound=False
    )
    assert payload(plan) == {"prompt": "A fox", "resolution": "1080p", "duration": 10, "aspect_ratio": "1:1"}


def test_camera_and_style_are_said_in_words() -> None:
    plan = plan_of("A fox", camera=Camera.FIXED, style=Style.ANIME)
    assert payload(plan) == FOX | {"prompt": "A fox Fixed camera. Style: anime."}


def test_images_go_as_files_in_the_order_of_their_slots_even_where_links_are_at_hand() -> None:
    plan = plan_of("@Image4 meets @Image2", "@Image4", stored("@Image2", sha256="cat", size_bytes=7))
    assert payload(plan) == FOX | {
        "prompt": "Image 2 meets Image 1",
        "reference_images": [
            Encoded(sha256="cat", name="@Image2.jpeg", size_bytes=7),
            Encoded(sha256="@Image4", name="@Image4.jpeg", size_bytes=100),
        ],
    }


def test_dry_run_names_each_file_and_holds_none() -> None:
    body = shown(payload(plan_of("@Image1 walks", stored("@Image1", size_bytes=1234))))
    assert body == FOX | {
        "prompt": "Image 1 walks",
        "reference_images": ["<@Image1.jpeg, 1,234 bytes in base64>"],
    }


def test_clips_are_silent_and_the_card_says_so() -> None:
    plan = plan_of("A fox")
    assert not plan.sound
    assert plan.notes == ("BytePlus makes silent clips.",)


FOUR_OF_EIGHT = [stored(f"@Image{n}", size_bytes=8 * MEGABYTE) for n in range(1, 5)]


@pytest.mark.parametrize(
    ("refused", "references", "options"),
    [
        ("cannot do tier fast", (), {"tier": Tier.FAST}),
        ("cannot do a duration of 7 s; the nearest is 5 s", (), {"duration_seconds": 7}),
        ("cannot do a duration of 15 s; the nearest is 10 s", (), {"duration_seconds": 15}),
        ("cannot do resolution 480p; it has 720p or 1080p", (), {"resolution": "480p"}),
        ("cannot do aspect 4:3; it has 16:9, 9:16 or 1:1", (), {"aspect": Aspect.CLASSIC}),
        ("cannot do sound", (), {"sound": True}),
        ("cannot do a seed", (), {"seed": 1}),
        ("cannot do a first frame", ("first_frame",), {}),
        ("cannot do a negative prompt", (), {"negative_prompt": "rain"}),
        ("cannot do a watermark", (), {"watermark": True}),
        ("cannot do web search", (), {"web_search": True}),
        ("cannot do 6 image references; 5 is the most", tuple(f"@Image{n}" for n in range(1, 7)), {}),
        ("cannot do 1 video reference; it takes none", ("@Video1", "@Image1"), {}),
        ("cannot do 1 audio reference; it takes none", ("@Audio1", "@Image1"), {}),
        ("references of 32.0 MB together; 30 MB is the most", FOUR_OF_EIGHT, {}),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(
    refused: str, references: tuple[str, ...], options: dict[str, object]
) -> None:
    with pytest.raises(RequestError, match=refused):
        plan_of("A fox", *references, **options)


@pytest.mark.parametrize("format_", ["gif", "bmp", "tiff"])
def test_picture_in_another_format_is_offered_to_be_made_anew(format_: str) -> None:
    fine = stored("@Image1")
    (change,) = plan_of("@Image1", replace(fine, info=replace(fine.info, format=format_))).changes
    assert change.is_needed
    assert change.format in {"jpeg", "png", "webp"}


def test_image_over_ten_megabytes_is_offered_to_be_made_smaller() -> None:
    just, over = (stored("@Image1", size_bytes=size) for size in (10 * MEGABYTE, 10 * MEGABYTE + 1))
    assert [change.bytes_max for change in plan_of("@Image1", over).changes] == [10 * MEGABYTE]
    assert plan_of("@Image1", just).changes == ()


@pytest.mark.parametrize("seconds", [5, 10])
@pytest.mark.parametrize("resolution", ["720p", "1080p"])
def test_upper_end_of_what_a_second_costs_is_quoted(seconds: int, resolution: str) -> None:
    plan = plan_of("A fox", duration_seconds=seconds, resolution=resolution)
    assert quote_micros(plan, CAPABILITIES) == standin.MICROS_PER_SECOND[resolution] * seconds


# -- answers

CLIP = "https://cdn.example/o.mp4"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"status": "queued"}, Pending()),
        ({"status": "rendering"}, Pending()),
        ({"status": "completed", "video_url": CLIP}, Succeeded(video=CLIP)),
        ({"status": "Completed", "video_url": [CLIP]}, Succeeded(video=CLIP)),
        ({"status": "completed"}, NO_LINK),
        ({"status": "completed", "output": {"video_url": CLIP}}, NO_LINK),
        ({"status": "completed", "video_url": "soon"}, NO_LINK),
        ({"status": "failed", "error": "policy"}, Failed(reason="policy")),
        ({"status": "failed", "error": {"message": "policy"}}, Failed(reason="policy")),
        ({"status": "failed", "error": None}, Failed(reason="it gave no reason")),
        ({"status": "failed", "video_url": CLIP}, Failed(reason="it gave no reason")),
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
        (b'{"job_id":"g-771"}', "g-771"),
        (b'{"job_id":""}', None),
        (b'{"job_id":771}', None),
        (b'{"task_id":"g-771"}', None),
        (b"<html>", None),
    ],
)
def test_task_id_is_taken_from_its_place_only(body: bytes, task_id: str | None) -> None:
    assert read_task_id(body) == task_id


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b'{"error":"bad base64"}', "bad base64"), (b'{"message":"bad base64"}', "bad base64"), (b"<html>", "")],
)
def test_refusal_is_read_from_the_usual_places(body: bytes, reason: str) -> None:
    assert read_refusal(body) == Refusal(reason=reason)


def test_task_id_is_quoted_in_its_address() -> None:
    assert DIALECT.read_path("g-7/../b?c#") == "/status/g-7%2F..%2Fb%3Fc%23"


# -- against the provider


def understood(body: dict[str, Any]) -> dict[str, object]:
    return {"seconds": body["duration"], "aspect": body["aspect_ratio"], "resolution": body["resolution"]}


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


async def test_thirty_megabytes_of_images_go_in_small_pieces(house: House) -> None:
    files = [b"\xff\xd8\xff" + os.urandom(10 * MEGABYTE - 3) for _ in range(3)]
    kept = [stored(f"@Image{n}", sha256=f"{n}", size_bytes=len(file)) for n, file in enumerate(files, start=1)]
    for one, file in zip(kept, files, strict=True):
        house.stored_path(one.sha256).write_bytes(file)
    plan = plan_of("All of them", *kept)
    body = await body_of(to_payload(plan, {}), house.stored_path)
    sizes = [len(chunk) async for chunk in body.chunks()]
    assert max(sizes) <= MEGABYTE
    assert sum(sizes) == body.size_bytes > 40 * MEGABYTE
    await house.submit(plan)
    assert house.provider.received == [hashlib.sha256(file).hexdigest() for file in files]


async def test_file_that_is_gone_means_that_nothing_was_sent(house: House) -> None:
    plan = plan_of("@Image1 walks", house.keep("@Image1"))
    house.stored_path(plan.references[0].sha256).unlink()
    with pytest.raises(NotSentError):
        await house.submit(plan)
    assert house.provider.submits == []


async def test_what_it_cannot_decode_is_refused_with_its_words(house: House) -> None:
    sound = replace(house.keep("@Audio1"), reference=stored("@Image1").reference, info=stored("@Image1").info)
    with pytest.raises(ProviderRefusedError, match=r"reference_images\[0\] is not JPEG, PNG or WebP"):
        await house.submit(plan_of("@Image1 walks", sound))


@pytest.mark.parametrize(
    "change",
    [
        {"model": "seedance-2.0"},
        {"seed": 7},
        {"audio": False},
        {"duration": 7},
        {"duration": "5"},
        {"resolution": "480p"},
        {"aspect_ratio": "4:3"},
        {"prompt": " "},
        {"prompt": "@Image1 walks"},
    ],
)
def test_stand_in_refuses_what_the_documents_do_not_have(change: dict[str, object]) -> None:
    standin.check_body(dict(FOX))
    with pytest.raises(RefusedError):
        standin.check_body(FOX | change)


JPEG = base64.b64encode(b"\xff\xd8\xff" + bytes(10)).decode()


@pytest.mark.parametrize(
    "images",
    [
        [],
        JPEG,
        [JPEG] * 6,
        [f"data:image/jpeg;base64,{JPEG}"],
        ["https://bot.example/a.jpeg"],
        [JPEG.rstrip("=")],
        [base64.b64encode(b"GIF89a").decode()],
        [base64.b64encode(b"\xff\xd8\xff" + bytes(10 * MEGABYTE)).decode()],
    ],
)
def test_stand_in_refuses_images_that_are_not_as_documented(images: object) -> None:
    assert len(standin.check_images([JPEG] * 5)) == 5
    with pytest.raises(RefusedError):
        standin.check_images(images)
