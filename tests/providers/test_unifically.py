"""Unifically's dialect: exact requests, every documented answer, and both against a provider on loopback.

Bodies are typed from docs.unifically.com/api-reference/v1-tasks and /error-handling, read 2026-11-20.
"""

import asyncio
import json
import logging
import signal
import sys
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import httpx
import numpy as np
import pytest
from aiohttp import web
from PIL import Image
from structlog.testing import capture_logs

from bot.domain.capabilities import make_plan, quote_micros
from bot.domain.errors import ModerationError, ProviderAuthError, ProviderRefusedError
from bot.domain.links import SignedLinks
from bot.domain.references import MediaInfo, Reference, StoredReference
from bot.domain.request_errors import OptionUnsupportedError
from bot.domain.requests import Aspect, Plan, Request, Tier
from bot.domain.slots import Frame, Kind, Place, Slot, kind_of
from bot.ports.outside import (
    Failed,
    NotSentError,
    Pending,
    Provider,
    ProviderBusyError,
    Succeeded,
    TaskGoneError,
    TaskStatus,
    UnknownOutcomeError,
)
from bot.providers.account import PaidAccount
from bot.providers.http import Clients, open_clients
from bot.providers.reading import Refusal, Trouble
from bot.providers.unifically import (
    CAPABILITIES,
    DIALECT,
    read_refusal,
    read_status,
    read_task_id,
    to_payload,
)
from bot.web.app import make_app, serving
from tests.standins import unifically as standin

SECRET = bytes(range(32))
STANDIN = Path(standin.__file__)


def image(number: int) -> Slot:
    return Slot(kind=Kind.IMAGE, number=number)


def video(number: int) -> Slot:
    return Slot(kind=Kind.VIDEO, number=number)


def audio(number: int) -> Slot:
    return Slot(kind=Kind.AUDIO, number=number)


# -- requests to plans


def stored(place: Place, digest: str | None = None) -> StoredReference:
    kind = kind_of(place)
    formats = {Kind.IMAGE: "jpeg", Kind.VIDEO: "mp4", Kind.AUDIO: "wav"}
    name = f"{place}.{formats[kind]}"
    info = MediaInfo(
        kind=kind,
        format=formats[kind],
        width=0 if kind is Kind.AUDIO else 1280,
        height=0 if kind is Kind.AUDIO else 720,
        duration_ms=0 if kind is Kind.IMAGE else 3000,
        codec="h264" if kind is Kind.VIDEO else "",
    )
    reference = Reference(place=place, name=name, source=f"https://cdn.example/{name}", declared_bytes=100)
    return StoredReference(reference=reference, sha256=digest or str(place), size_bytes=100, info=info)


def plan_of(prompt: str, *references: StoredReference, **options: Any) -> Plan:
    request = replace(Request(prompt=prompt, references=tuple(one.reference for one in references), seed=7), **options)
    return make_plan(request=request, stored=references, capabilities=CAPABILITIES, draw_seed=lambda: 99)


def links_for(plan: Plan) -> dict[str, str]:
    return {one.sha256: f"https://bot.example/{one.sha256}" for one in plan.references}


def payload(plan: Plan) -> dict[str, object]:
    return to_payload(plan, links_for(plan))


def test_text_alone() -> None:
    assert payload(plan_of("A cat in the rain")) == {
        "model": "bytedance/seedance-2.0-fast",
        "input": {"prompt": "A cat in the rain", "duration": 5, "aspect_ratio": "16:9", "seed": 7},
    }


def test_every_option_set() -> None:
    plan = plan_of("A cat", tier=Tier.PRO, duration_seconds=15, aspect=Aspect.TALL, seed=0, sound=True)
    assert payload(plan) == {
        "model": "bytedance/seedance-2.0-pro",
        "input": {"prompt": "A cat", "duration": 15, "aspect_ratio": "9:16", "seed": 0},
    }


def test_silence_is_the_sounds_own_key_set_to_false() -> None:
    plan = plan_of("@Image1 walks", stored(image(1)), sound=False)
    assert payload(plan)["input"] == {
        "prompt": "@Image1 walks",
        "duration": 5,
        "aspect_ratio": "16:9",
        "seed": 7,
        "audio": False,
        "images": ["https://bot.example/@Image1"],
    }


def test_first_frame_alone() -> None:
    assert payload(plan_of("It moves", stored(Frame.FIRST)))["input"] == {
        "prompt": "It moves",
        "duration": 5,
        "aspect_ratio": "16:9",
        "seed": 7,
        "start_frame_url": "https://bot.example/first_frame",
    }


def test_first_and_end_frame() -> None:
    plan = plan_of("It moves", stored(Frame.END), stored(Frame.FIRST), sound=False)
    assert payload(plan)["input"] == {
        "prompt": "It moves",
        "duration": 5,
        "aspect_ratio": "16:9",
        "seed": 7,
        "audio": False,
        "start_frame_url": "https://bot.example/first_frame",
        "end_frame_url": "https://bot.example/end_frame",
    }


def test_gaps_between_slots_close_in_arrays_and_mentions_alike() -> None:
    plan = plan_of(
        "@Image3 follows @image1, moves like @Video2 to @Audio3, then @Image3 again",
        *(stored(place) for place in (audio(3), image(3), video(2), image(1))),
    )
    assert payload(plan)["input"] == {
        "prompt": "@Image2 follows @Image1, moves like @Video1 to @Audio1, then @Image2 again",
        "duration": 5,
        "aspect_ratio": "16:9",
        "seed": 7,
        "images": ["https://bot.example/@Image1", "https://bot.example/@Image3"],
        "videos": ["https://bot.example/@Video2"],
        "audio": ["https://bot.example/@Audio3"],
    }


def test_full_house_keeps_the_order_of_the_slots() -> None:
    places = [*(image(n) for n in range(9, 0, -1)), *(video(n) for n in (3, 1, 2)), *(audio(n) for n in (2, 3, 1))]
    sent = payload(plan_of("All of them", *(stored(place) for place in places)))["input"]
    assert isinstance(sent, dict)
    assert sent["images"] == [f"https://bot.example/@Image{n}" for n in range(1, 10)]
    assert sent["videos"] == [f"https://bot.example/@Video{n}" for n in range(1, 4)]
    assert sent["audio"] == [f"https://bot.example/@Audio{n}" for n in range(1, 4)]


def test_one_file_in_two_slots_is_sent_twice() -> None:
    plan = plan_of("@Image1 meets @Image2", stored(image(1), "same"), stored(image(2), "same"))
    sent = payload(plan)["input"]
    assert isinstance(sent, dict)
    assert sent["images"] == ["https://bot.example/same"] * 2


@pytest.mark.parametrize(
    ("refused", "references", "options"),
    [
        ("a silent clip with audio references", [image(1), audio(1)], {"sound": False}),
        ("resolution 1080p", [], {"resolution": "1080p"}),
        ("resolution 480p", [], {"resolution": "480p"}),
        ("tier standard", [], {"tier": Tier.STANDARD}),
        ("aspect 21:9", [], {"aspect": Aspect.ULTRAWIDE}),
        ("a duration of 3 s", [], {"duration_seconds": 3}),
        ("a duration of 16 s", [], {"duration_seconds": 16}),
        ("a first or end frame together with @Image1", [Frame.FIRST, image(1)], {}),
        ("a negative prompt", [], {"negative_prompt": "rain"}),
        ("a watermark", [], {"watermark": True}),
        ("web search", [], {"web_search": True}),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(refused: str, references: list[Place], options: dict[str, Any]) -> None:
    with pytest.raises(OptionUnsupportedError, match=f"^Unifically cannot do {refused}"):
        plan_of("A cat", *(stored(place) for place in references), **options)


@pytest.mark.parametrize("tier", [Tier.FAST, Tier.PRO])
@pytest.mark.parametrize(("seconds", "micros"), [(5, 400_000), (10, 800_000), (15, 1_200_000)])
def test_price_is_eight_cents_a_second_in_both_tiers(tier: Tier, seconds: int, micros: int) -> None:
    plan = plan_of("A cat", tier=tier, duration_seconds=seconds, resolution="720p")
    assert quote_micros(plan, CAPABILITIES) == micros


# -- answers


def answer(status: object, *, code: int = 200, **data: object) -> bytes:
    body = {"code": code, "success": True, "data": {"task_id": "9f2c", "status": status, **data}}
    return json.dumps(body).encode()


CLIP = "https://cdn.example/o.mp4"
NO_LINKS: list[object] = [None, {}, [], "", "soon", {"video_url": None}, {"video_url": ""}, {"video_url": []}, [[]], 7]
NO_REASONS: list[object] = [None, "", " ", {}, [], 7, {"message": None}, {"message": ["x"]}]
NO_LINK = Failed(reason="it reported success but gave no link to the clip")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (answer("pending"), Pending()),
        (answer("processing"), Pending()),
        (answer("processing", code=400), Pending()),
        (answer("TASK_STATUS_PROCESSING"), Pending()),
        (answer("quality_check"), Pending()),
        (answer(3), Pending()),
        (answer("completed", output={"video_url": CLIP}), Succeeded(video=CLIP)),
        (answer("completed", code=400, output={"video_url": CLIP}), Succeeded(video=CLIP)),
        (answer("completed", output={"video_url": CLIP}, error=None), Succeeded(video=CLIP)),
        *(
            (answer(word, output={"video_url": CLIP}), Succeeded(video=CLIP))
            for word in (
                " Completed ",
                "SUCCESS",
                "succeed",
                "succeeded",
                "TASK_STATUS_SUCCEED",
                "complete",
                "finished",
            )
        ),
        *(
            (answer("completed", output=output), Succeeded(video=CLIP))
            for output in (CLIP, [CLIP], {"video_url": [CLIP]}, [{"video_url": CLIP}])
        ),
        *((answer("completed", output=output), NO_LINK) for output in NO_LINKS),
        (answer("completed"), NO_LINK),
        (answer("completed", output={"video_url": "file:///etc/passwd"}), NO_LINK),
        (answer("failed", error={"message": "Out of capacity", "code": "x"}), Failed(reason="Out of capacity")),
        (answer("failed", error="Out of capacity"), Failed(reason="Out of capacity")),
        (answer("failed", error={"code": "generation_failed"}), Failed(reason="generation_failed")),
        *((answer("failed", error=error), Failed(reason="it gave no reason")) for error in NO_REASONS),
        (answer("failed"), Failed(reason="it gave no reason")),
        (answer("failed", code=200, output={"video_url": CLIP}), Failed(reason="it gave no reason")),
        (answer("canceled"), Failed(reason="it gave no reason")),
        (answer("CANCELLED"), Failed(reason="it gave no reason")),
        (
            answer(
                "failed", error={"message": "[Content policy violation] A real person.", "code": "generation_failed"}
            ),
            Failed(reason="[Content policy violation] A real person.", moderation=True),
        ),
        (
            answer("failed", error="[content policy violation]"),
            Failed(reason="[content policy violation]", moderation=True),
        ),
        (
            answer("failed", error="It is no [Content policy violation]"),
            Failed(reason="It is no [Content policy violation]"),
        ),
    ],
)
def test_status_is_the_tasks_own(body: bytes, status: TaskStatus) -> None:
    assert read_status(body) == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b"null",
        b"{}",
        b'{"data": null}',
        b'{"data": []}',
        b'{"code": 404, "data": {"message": "not found"}}',
        b'{"data": {"status": null}}',
    ],
)
def test_body_that_is_no_task_says_nothing_of_the_task(body: bytes) -> None:
    with pytest.raises(ProviderBusyError):
        read_status(body)


def test_long_reason_is_cut_and_cleaned() -> None:
    status = read_status(answer("failed", error="no\x1b[31m\n" + "x" * 1000))
    assert isinstance(status, Failed)
    assert len(status.reason) == 300
    assert status.reason.startswith("no[31m xxx")


@pytest.mark.parametrize(
    ("body", "task_id"),
    [
        (b'{"code":200,"success":true,"data":{"task_id":"9f2c","status":"pending"}}', "9f2c"),
        (b'{"data":{"task_id":""}}', None),
        (b'{"data":{"task_id":null}}', None),
        (b'{"data":{"task_id":["9f2c"]}}', None),
        (b'{"data":{"task_id":"a\\nb"}}', None),
        (b'{"data":{"task_id":"' + b"9" * 201 + b'"}}', None),
        (b'{"task_id":"9f2c"}', None),
        (b"<html>", None),
    ],
)
def test_task_id_is_taken_from_its_place_only(body: bytes, task_id: str | None) -> None:
    assert read_task_id(body) == task_id


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b'{"code":422,"data":{"message":"bad seed","code":"validation_error"}}', Refusal(reason="bad seed")),
        (b'{"code":422,"data":{"error":{"message":"bad seed"}}}', Refusal(reason="bad seed")),
        (
            b'{"code":400,"data":{"message":"[Content policy violation] x","code":"generation_failed"}}',
            Refusal(reason="[Content policy violation] x", trouble=Trouble.MODERATION),
        ),
        (b"<html>", Refusal(reason="")),
    ],
)
def test_refusal_is_read_from_the_documented_error_body(body: bytes, refusal: Refusal) -> None:
    assert read_refusal(body) == refusal


# -- against the provider


@dataclass(kw_only=True)
class House:
    """The account under test, the provider it talks to, and the web room that serves its references."""

    account: PaidAccount
    provider: standin.Provider
    clients: Clients
    links: SignedLinks
    folder: Path

    def stored_path(self, *, sha256: str) -> Path:
        return self.folder / sha256

    def linked_path(self, *, name: str) -> Path | None:
        path = self.stored_path(sha256=name.partition(".")[0])
        return path if path.is_file() else None

    def keep(self, place: Place, path: Path) -> StoredReference:
        digest = sha256(path.read_bytes()).hexdigest()
        self.stored_path(sha256=digest).write_bytes(path.read_bytes())
        return stored(place, digest)

    def links_for(self, plan: Plan) -> dict[str, str]:
        return {
            one.sha256: self.links.link_for(sha256=one.sha256, extension=one.info.format) for one in plan.references
        }

    async def submit(self, plan: Plan | None = None, account: Provider | None = None) -> str:
        plan = plan or plan_of("A cat in the rain")
        return await (account or self.account).submit(attempt_id="a1", plan=plan, links=self.links_for(plan))


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One real file of each kind."""
    folder = tmp_path_factory.mktemp("material")
    Image.new("RGB", (64, 48), "teal").save(folder / "image.jpeg")
    Image.new("RGB", (64, 48), "red").save(folder / "other.jpeg")
    with wave.open(str(folder / "sound.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    _write_clip(folder / "clip.mp4")
    return folder


def _write_clip(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height = 64, 48
        for shade in range(0, 240, 20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade, dtype=np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture
async def house(tmp_path: Path, material: Path) -> AsyncIterator[House]:
    async with standin.running(clip=material / "clip.mp4") as provider, open_clients() as clients:
        links = SignedLinks(public_url="", secret=SECRET, now_ms=lambda: 0)
        account = account_at(provider.url, clients)
        house = House(account=account, provider=provider, clients=clients, links=links, folder=tmp_path)
        app = make_app(files=house, secret=SECRET, now_ms=lambda: 0, healthy=lambda: True)
        async with serving(app, host="127.0.0.1", port=0) as port:
            house.links = replace(links, public_url=f"http://127.0.0.1:{port}")
            yield house


def account_at(url: str, clients: Clients, *, key: str = standin.KEY, seconds: float = 5.0) -> PaidAccount:
    return PaidAccount(
        dialect=DIALECT,
        clients=clients,
        base_urls=[url],
        api_key=key,
        account="unifically#1",
        submit_seconds=seconds,
        read_seconds=seconds,
    )


async def reads(house: House, task_id: str, count: int) -> list[TaskStatus]:
    return [await house.account.read(task_id=task_id) for _ in range(count)]


async def test_text_becomes_a_clip(house: House) -> None:
    task_id = await house.submit(plan_of("A cat in the rain", duration_seconds=10))
    one, two, three = await reads(house, task_id, 3)
    assert (one, two) == (Pending(), Pending())
    assert isinstance(three, Succeeded)
    assert urlsplit(three.video).netloc == house.account.trusted_host
    clip = await house.clients.reads.get(three.video)
    assert clip.content[4:8] == b"ftyp"
    assert (len(house.provider.submits), house.provider.charged_micros) == (1, 800_000)


async def test_every_kind_of_reference_is_fetched_over_its_signed_link(house: House, material: Path) -> None:
    plan = plan_of(
        "@Image3 follows @Image1, moves like @Video2 to @Audio1",
        house.keep(image(1), material / "image.jpeg"),
        house.keep(image(3), material / "other.jpeg"),
        house.keep(video(2), material / "clip.mp4"),
        house.keep(audio(1), material / "sound.wav"),
    )
    task_id = await house.submit(plan)
    assert house.provider.tasks[task_id].input["prompt"] == "@Image2 follows @Image1, moves like @Video1 to @Audio1"
    assert len(house.provider.fetched) == 4


async def test_frames_are_fetched_over_their_signed_links(house: House, material: Path) -> None:
    first, end = house.keep(Frame.FIRST, material / "image.jpeg"), house.keep(Frame.END, material / "other.jpeg")
    await house.submit(plan_of("It moves", first, end))
    assert [link.rpartition("/")[2] for link in house.provider.fetched] == [
        f"{one.sha256}.jpeg" for one in (first, end)
    ]


async def test_reference_that_cannot_be_fetched_is_refused_without_its_link(house: House, material: Path) -> None:
    plan = plan_of("@Image1 walks", house.keep(image(1), material / "image.jpeg"))
    house.stored_path(sha256=plan.references[0].sha256).unlink()
    with pytest.raises(ProviderRefusedError, match=r"could not download images\[0\]\.$"):
        await house.submit(plan)


async def test_what_describe_shows_is_what_is_sent(house: House, material: Path) -> None:
    plan = plan_of("@Image1 walks", house.keep(image(1), material / "image.jpeg"))
    shown = house.account.describe(plan=plan, links=house.links_for(plan))
    await house.submit(plan)
    assert (shown.method, shown.url) == ("POST", f"{house.provider.url}/v1/tasks")
    assert shown.headers["Authorization"] == "Bearer ***"
    assert shown.body == house.provider.submits[0].payload
    assert standin.KEY not in repr(shown)


async def test_address_to_call_back_stands_beside_the_input_and_is_called(house: House) -> None:
    heard: list[dict[str, object]] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append(await request.json())
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hooks/some", hear)
    async with serving(app, host="127.0.0.1", port=0) as port:
        address, plan = f"http://127.0.0.1:{port}/hooks/some", plan_of("A cat")
        ids = []
        for fate in (standin.Fate(statuses=("completed",)), standin.moderated("No.")):
            house.provider.fates.append(fate)
            ids.append(await house.account.submit(attempt_id="a1", plan=plan, links={}, callback=address))
            await house.account.read(task_id=ids[-1])
            await house.account.read(task_id=ids[-1])
            assert await house.provider.call_back(ids[-1]) == 204
    shown = house.account.describe(plan=plan, links={}, callback=address)
    assert shown.body == payload(plan) | {"callback_url": address} == house.provider.submits[0].payload
    assert heard == [
        {"task_id": ids[0], "status": "completed", "data": {"video_url": house.provider.link_of(ids[0])}},
        {"task_id": ids[1], "status": "failed", "error_message": "[Content policy violation] No."},
    ]


@pytest.mark.parametrize("statuses", [("pending", "reviewing", "completed"), ("processing", "pending", "completed")])
async def test_unknown_and_backward_status_are_still_running(house: House, statuses: tuple[str, ...]) -> None:
    house.provider.fates.append(standin.Fate(statuses=statuses))
    task_id = await house.submit()
    one, two, three = await reads(house, task_id, 3)
    assert (one, two) == (Pending(), Pending())
    assert isinstance(three, Succeeded)


async def test_unknown_status_is_logged_once(house: House) -> None:
    house.provider.fates.append(standin.Fate(statuses=("pending", "processing", "reviewing")))
    task_id = await house.submit()
    with capture_logs() as lines:
        await reads(house, task_id, 5)
    assert [(line["event"], line["status"]) for line in lines] == [("status unknown", "reviewing")]


async def test_code_400_around_a_healthy_task_is_not_believed(house: House) -> None:
    house.provider.fates.append(standin.Fate(envelope_code=400))
    task_id = await house.submit()
    assert isinstance((await reads(house, task_id, 3))[2], Succeeded)


@pytest.mark.parametrize(
    ("fate", "status"),
    [
        (standin.moderated("A face."), Failed(reason="[Content policy violation] A face.", moderation=True)),
        (standin.Fate(statuses=("failed",), error="GPU lost"), Failed(reason="GPU lost")),
        (standin.Fate(statuses=("failed",)), Failed(reason="it gave no reason")),
        (standin.Fate(statuses=("completed",), gives_link=False), NO_LINK),
    ],
)
async def test_end_without_a_clip_tells_why(house: House, fate: standin.Fate, status: Failed) -> None:
    house.provider.fates.append(fate)
    task_id = await house.submit()
    assert (await reads(house, task_id, 2))[1] == status


async def test_failed_task_that_echoes_our_key_and_link_tells_neither(house: House) -> None:
    error = f"key {standin.KEY} could not fetch https://bot.example/files/token/a.png"
    house.provider.fates.append(standin.Fate(statuses=("failed",), error=error))
    (status,) = await reads(house, await house.submit(), 1)
    assert status == Failed(reason="key *** could not fetch https://bot.example/…")


async def test_dead_link_of_a_clip_is_fresh_after_another_read(house: House) -> None:
    task_id = await house.submit()
    old = (await reads(house, task_id, 3))[2]
    house.provider.expire_links()
    (new,) = await reads(house, task_id, 1)
    assert isinstance(old, Succeeded)
    assert isinstance(new, Succeeded)
    assert (await house.clients.reads.get(old.video)).status_code == 403
    assert (await house.clients.reads.get(new.video)).status_code == 200


async def test_task_it_does_not_know_is_gone(house: House) -> None:
    with pytest.raises(TaskGoneError):
        await house.account.read(task_id="../../v1/tasks?x=1#")


async def test_wrong_key_is_told_apart_at_submit_and_passing_at_read(house: House) -> None:
    task_id = await house.submit()
    stranger = account_at(house.provider.url, house.clients, key="other-key")
    with pytest.raises(ProviderAuthError):
        await house.submit(account=stranger)
    with pytest.raises(ProviderBusyError) as caught:
        await stranger.read(task_id=task_id)
    assert caught.value.is_key_refused


async def test_rate_limit_at_submit_waits_as_told_and_makes_nothing(house: House) -> None:
    house.provider.submit_troubles.append(standin.rate_limited("3"))
    with pytest.raises(NotSentError) as caught:
        await house.submit()
    assert (caught.value.retry_after_seconds, house.provider.tasks) == (3.0, {})


async def test_moderation_at_submit(house: House) -> None:
    message = "[Content policy violation] No."
    house.provider.submit_troubles.append(standin.refusal(400, message, "generation_failed"))
    with pytest.raises(ModerationError, match=r"No\. Change the prompt"):
        await house.submit()


@pytest.mark.parametrize(
    ("trouble", "tasks"),
    [
        (standin.Trouble(drops=True), 0),
        (standin.Trouble(drops=True, creates=True), 1),
        (standin.refusal(500, "Oops", "internal_error"), 0),
        (standin.html(502), 0),
        (standin.html(200, creates=True), 1),
        (standin.without_id(), 1),
        (standin.Trouble(status=200, flood_bytes=200_000_000, creates=True), 1),
    ],
)
async def test_submit_that_may_have_made_a_task_is_unknown_and_sent_once(
    house: House, trouble: standin.Trouble, tasks: int
) -> None:
    house.provider.submit_troubles.append(trouble)
    with pytest.raises(UnknownOutcomeError):
        await house.submit()
    assert (len(house.provider.submits), len(house.provider.tasks)) == (1, tasks)
    assert house.provider.flooded_bytes < 50_000_000


async def test_echoed_prompt_is_not_logged_as_it_was_sent_either(house: House, material: Path) -> None:
    plan = plan_of("@Image3 walks\n\u201cslowly\u201d along", house.keep(image(3), material / "image.jpeg"))
    for ascii_only in (True, False):
        echo = json.dumps({"echo": "@Image1 walks\n\u201cslowly\u201d along"}, ensure_ascii=ascii_only)
        house.provider.submit_troubles.append(standin.Trouble(status=500, body=echo))
        with capture_logs() as lines, pytest.raises(UnknownOutcomeError):
            await house.submit(plan)
        assert [line["body"] for line in lines] == [r'{"echo": "***\n***"}']


async def test_slow_submit_is_unknown_and_the_task_exists(house: House) -> None:
    let_go = asyncio.Event()
    house.provider.submit_troubles.append(standin.Trouble(until=let_go))
    with pytest.raises(UnknownOutcomeError):
        await house.submit(account=account_at(house.provider.url, house.clients, seconds=0.2))
    let_go.set()
    assert (len(house.provider.submits), len(house.provider.tasks)) == (1, 1)


@pytest.mark.parametrize(
    "trouble",
    [
        standin.rate_limited(),
        standin.refusal(500, "Oops", "internal_error"),
        standin.html(200),
        standin.html(503),
        standin.Trouble(drops=True),
        standin.Trouble(status=200, flood_bytes=200_000_000),
        standin.Trouble(status=200, body='{"code":200,"success":true,"data":null}'),
    ],
)
async def test_trouble_at_a_read_passes(house: House, trouble: standin.Trouble) -> None:
    task_id = await house.submit()
    house.provider.read_troubles.append(trouble)
    with pytest.raises(ProviderBusyError):
        await house.account.read(task_id=task_id)
    assert await house.account.read(task_id=task_id) == Pending()


async def test_no_cancel_is_documented_so_none_is_claimed(house: House) -> None:
    assert not await house.account.cancel(task_id=await house.submit())


async def test_account_shows_its_name_and_never_its_key(house: House, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await house.submit()
    assert (house.account.account, house.account.capabilities) == ("unifically#1", CAPABILITIES)
    assert standin.KEY not in repr(house.account) + caplog.text


def test_key_that_no_header_can_carry_is_refused_without_being_shown() -> None:
    clients = Clients(reads=httpx.AsyncClient(), submits=httpx.AsyncClient())
    for key in ("canary\nkey", "canäry", "can ary"):
        with pytest.raises(ValueError, match="the key of unifically#1") as caught:
            account_at("https://api.unifically.com", clients, key=key)
        assert key not in str(caught.value)


def test_trusted_host_is_that_of_the_first_address() -> None:
    clients = Clients(reads=httpx.AsyncClient(), submits=httpx.AsyncClient())
    assert account_at("https://api.unifically.com", clients).trusted_host == "api.unifically.com"
    assert account_at("http://127.0.0.1:8000/", clients).trusted_host == "127.0.0.1:8000"


# -- the provider itself refuses what it should


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body | {"dry_run": True},
        lambda body: body | {"callback_url": "http://bot.example/hooks/some"},
        lambda body: body | {"callback_url": None},
        lambda body: body | {"model": "bytedance/seedance-2.0"},
        lambda body: {"model": body["model"]},
        lambda body: with_input(body, mode="omni_reference"),
        lambda body: with_input(body, prompt=" "),
        lambda body: with_input(body, duration=3),
        lambda body: with_input(body, duration=16),
        lambda body: with_input(body, duration="5"),
        lambda body: with_input(body, duration=5.0),
        lambda body: with_input(body, duration=True),
        lambda body: with_input(body, aspect_ratio="21:9"),
        lambda body: with_input(body, seed=-1),
        lambda body: with_input(body, seed="7"),
        lambda body: with_input(body, audio=True),
        lambda body: with_input(body, images=False),
        lambda body: with_input(body, images=[]),
        lambda body: with_input(body, images=["http://bot.example/a.png"]),
        lambda body: with_input(body, images=["https://bot.example/a.png"] * 10),
        lambda body: with_input(body, audio=["https://bot.example/a.mp3"]),
        lambda body: with_input(body, end_frame_url="https://bot.example/a.png"),
        lambda body: with_input(body, start_frame_url="https://bot.example/a.png", images=["https://bot.example/a"]),
        lambda body: with_input(body, prompt="@Image1 walks"),
    ],
)
async def test_stand_in_refuses_what_the_documents_do_not_have(
    house: House, change: Callable[[dict[str, object]], dict[str, object]]
) -> None:
    good = payload(plan_of("A cat"))
    headers = {"Authorization": f"Bearer {standin.KEY}"}
    for body, status in ((good, 200), (change(good), 422)):
        told = await house.clients.reads.post(f"{house.provider.url}/v1/tasks", json=body, headers=headers)
        assert told.status_code == status, told.text


def with_input(body: dict[str, object], **fields: object) -> dict[str, object]:
    assert isinstance(body["input"], dict)
    return body | {"input": body["input"] | fields}


async def test_stand_in_refuses_a_reference_of_another_kind(house: House, material: Path) -> None:
    plan = plan_of("@Image1 walks", house.keep(image(1), material / "sound.wav"))
    with pytest.raises(ProviderRefusedError, match=r"images\[0\] is not image"):
        await house.submit(plan)


@asynccontextmanager
async def on_its_own(clip: Path, state: Path) -> AsyncIterator[str]:
    arguments = [sys.executable, str(STANDIN), "--clip", str(clip), "--state", str(state)]
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def test_stand_in_on_its_own_remembers_its_tasks(material: Path, tmp_path: Path) -> None:
    state, plan = tmp_path / "state.json", plan_of("A cat")
    async with open_clients() as clients:
        async with on_its_own(material / "clip.mp4", state) as url:
            task_id = await account_at(url, clients).submit(attempt_id="a1", plan=plan, links={})
            told = await clients.reads.get(f"{url}/_standin")
            assert told.json()["submits"] == [{"payload": payload(plan), "task_id": task_id, "refused": None}]
        async with on_its_own(material / "clip.mp4", state) as url:
            await clients.reads.post(f"{url}/_standin", json={"submits": [{"status": 503}], "reads": [{"drops": True}]})
            account = account_at(url, clients)
            with pytest.raises(ProviderBusyError):
                await account.read(task_id=task_id)
            assert [await account.read(task_id=task_id) for _ in range(2)] == [Pending(), Pending()]
            assert isinstance(await account.read(task_id=task_id), Succeeded)
            with pytest.raises(UnknownOutcomeError):
                await account.submit(attempt_id="a2", plan=plan, links={})
    assert json.loads(state.read_text())["charged_micros"] == 400_000
