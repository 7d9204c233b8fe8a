"""Bad media, through the whole bot: each has its reason, nothing stays behind, and the next request goes through."""

import asyncio
import re
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr

from bot.domain.jobs import Job, JobState
from bot.sandbox.client import Invocation
from bot.settings import ProviderSettings
from tests.media import making
from tests.media.conftest import VBR
from tests.media.test_full_disk import full_disk
from tests.standins import unifically
from tests.stories.rig import SAMPLES, SECONDS_MAX, Story, story
from tests.stories.test_unifically import paid_story

MEBIBYTE = 1024 * 1024
DRIFT = SAMPLES / "drift.mp4"


def bomb(side: int) -> bytes:
    """A picture of so many pixels a side in a few hundred bytes."""
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    packed = [struct.pack(">I", len(b)) + kind + b + struct.pack(">I", zlib.crc32(kind + b)) for kind, b in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def flipped(data: bytes, begin: int) -> bytes:
    """One bit of every sixteenth byte."""
    return data[:begin] + bytes(byte ^ 16 if at % 16 == 0 else byte for at, byte in enumerate(data[begin:]))


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, whole = tmp_path_factory.mktemp("bad"), DRIFT.read_bytes()
    sound = making.tone(folder / "sound.m4a", codec="aac").read_bytes()
    contents = {
        "early.mp4": whole[: len(whole) * 3 // 10],
        "late.mp4": whole[: len(whole) * 95 // 100],
        "flipped.mp4": flipped(whole, 40),
        "scrambled.mp4": flipped(whole, whole.index(b"mdat") + 200),
        "endless.mp4": making.with_endless_times(whole),
        "concat.mp4": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "playlist.mp4": b"#EXTM3U\n#EXTINF:4,\nfile:///etc/passwd\n",
        "sound.mp4": sound,
        "empty.mp4": b"",
        "bomb.png": bomb(50_000),
        "archive.zip": b"PK\x03\x04" + bytes(2_000),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    making.plain_clip(folder / "huge.mp4", side=8192)
    return {path.name: path for path in folder.iterdir()}


# -- what must hold after each story


class Peak:
    """How far this process's memory has grown at most since then: https://man7.org/linux/man-pages/man5/proc.5.html."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self._before = self._highest()

    @property
    def grown_bytes(self) -> int:
        return self._highest() - self._before

    def _highest(self) -> int:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) * 1024 if found else 0


def left_behind(told: Story) -> list[str]:
    """Files of the bot that belong to nothing that was delivered."""
    data = told.folder / "data"
    arriving = [path.name for path in (data / "incoming").glob("*")]
    return arriving + [path.name for path in data.rglob("*.part")]


async def assert_all_is_well(told: Story, peak: Peak) -> None:
    assert peak.grown_bytes < 48 * MEBIBYTE
    assert left_behind(told) == []
    assert await told.spent() == (0, 0)
    assert (await told.spent("guild", "clips")) == (0, 0)
    assert (await told.clip(told.generate(duration=4))).attachments


@asynccontextmanager
async def served_by(provider: unifically.Provider, folder: Path) -> AsyncIterator[Story]:
    """A story whose provider works on many clips at once."""
    row = ProviderSettings(
        api_key=SecretStr(provider.key),
        base_url=provider.url,
        typical_seconds=1,
        requests_per_second=1000,
        max_concurrent=20,
    )
    async with story(folder, provider_order="unifically", providers={"unifically": row}) as told:
        yield told


# -- references

REFERENCES = [
    ("early.mp4", "is cut off"),
    ("late.mp4", "is cut off"),
    ("flipped.mp4", "is a broken video"),
    ("concat.mp4", "is an FFmpeg playlist, not a"),
    ("playlist.mp4", "is an HLS playlist, not a"),
    ("sound.mp4", "is an M4A sound file without a picture"),
    ("empty.mp4", "is empty"),
    ("huge.mp4", "8192×8192"),
    ("bomb.png", "50000×50000"),
    ("archive.zip", "is a ZIP archive, which no provider takes"),
]


async def test_each_bad_reference_has_its_reason(tmp_path: Path, bad: dict[str, Path]) -> None:
    async with story(tmp_path) as told:
        peak = Peak()
        asked = [
            told.generate("@Video1 again", video1=bad[name])
            if name.endswith("mp4")
            else told.generate("@Image1 wakes", image1=bad[name])
            for name, _ in REFERENCES
        ]
        refusals = await asyncio.gather(*(told.refusal(one) for one in asked))
        for (name, clause), refusal in zip(REFERENCES, refusals, strict=True):
            assert name in refusal
            assert clause in refusal
        await assert_all_is_well(told, peak)


async def test_what_only_looks_bad_goes_through(tmp_path: Path) -> None:
    """AAC is always a little longer than its picture; an MP3 of a variable rate need not tell its length."""
    clip = making.clip(tmp_path / "full.mp4", seconds=15, size=(640, 480), sound=True, fps=5)
    muxer = {"write_xing": "0"}
    tone = making.tone(tmp_path / "bare.mp3", codec="libmp3lame", seconds=12, encoder=VBR, muxer=muxer)
    async with paid_story(tmp_path) as (told, provider):
        assert (await told.clip(told.generate("it goes on", video1=clip, audio1=tone))).attachments
        assert len(provider.received) == 2


# -- results

RESULTS = [
    ("early.mp4", "is cut off"),
    ("late.mp4", "is cut off"),
    ("scrambled.mp4", "cannot be decoded"),
    ("endless.mp4", "needs more memory than allowed"),
    ("concat.mp4", "is an FFmpeg playlist, not a video"),
    ("playlist.mp4", "is an HLS playlist, not a video"),
    ("sound.mp4", "has no video"),
    ("empty.mp4", "is empty"),
    ("huge.mp4", "is a video of 8,192×8,192 pixels"),
    ("bomb.png", "is PNG, not a video"),
    ("archive.zip", "is a ZIP archive"),
]


async def test_each_bad_result_fails_with_its_reason_and_costs_nothing(tmp_path: Path, bad: dict[str, Path]) -> None:
    async with unifically.running(clip=DRIFT) as provider, served_by(provider, tmp_path) as told:
        provider.clips.extend(bad[name] for name, _ in RESULTS)
        peak = Peak()
        jobs = await asyncio.gather(*[told.ended(told.generate(duration=4)) for _ in RESULTS])
        reasons = [job.error_text or "" for job in jobs]
        assert {(job.state, job.error_code) for job in jobs} == {(JobState.FAILED, "result_unusable")}
        for _, clause in RESULTS:
            assert any(clause in reason for reason in reasons), (clause, reasons)
        assert not any((tmp_path / "data" / folder).exists() for folder in ("clips", "uploads"))
        await assert_all_is_well(told, peak)


# -- the way there


class Dying(unifically.Provider):
    """Its links break off half-way so many times; it has never heard of ranges."""

    deaths = 0

    async def _download(self, request: web.Request) -> web.StreamResponse:
        data = DRIFT.read_bytes()
        response = web.StreamResponse(headers={"ETag": '"one"'})
        response.content_length = len(data)
        await response.prepare(request)
        if self.deaths:
            self.deaths -= 1
            await response.write(data[: len(data) // 2])
            if request.transport is not None:
                request.transport.close()
        else:
            await response.write(data)
        return response


@asynccontextmanager
async def dying(deaths: int) -> AsyncIterator[Dying]:
    provider = Dying(clip=DRIFT)
    provider.deaths = deaths
    runner = web.AppRunner(provider.app(), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield provider
    finally:
        await runner.cleanup()


async def test_a_link_that_dies_and_knows_no_ranges_brings_the_clip_in_the_end(tmp_path: Path) -> None:
    """It dies more often than one visit to it allows, so it is visited twice."""
    async with dying(7) as provider, served_by(provider, tmp_path) as told:
        posted = (await told.clip(told.generate(duration=4))).attachments[0]
        assert posted.path.read_bytes() == DRIFT.read_bytes()
        assert (provider.deaths, len(provider.submits)) == (0, 1)
        assert left_behind(told) == []


async def job_when(told: Story, asked: Invocation, holds: Callable[[Job], bool]) -> Job:
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            job = await told.workshop.books.write(lambda tx: tx.jobs.get(asked.id))
            if job is not None and holds(job):
                return job
            await told._next_change()  # noqa: SLF001 (the same tests' own)


async def test_on_a_full_disk_a_reference_is_refused_and_a_paid_clip_waits_for_room(tmp_path: Path) -> None:
    """The books have room, larger files have none."""
    room = 4 * MEBIBYTE
    picture = making.picture(tmp_path / "large.bmp", size=(1600, 1000))
    clip = tmp_path / "large.mp4"
    clip.write_bytes(DRIFT.read_bytes() + making.box(b"free", bytes(room)))
    async with paid_story(tmp_path) as (told, provider):
        asked = told.generate("@Image1 wakes", image1=picture)
        with full_disk(room):
            assert "large.bmp has no room: the bot's disk is full" in await told.refusal(asked)
            assert await told.spent() == (0, 0)
            provider.clips.append(clip)
            waits = told.generate(duration=4)
            await job_when(told, waits, lambda job: job.state is JobState.FETCHING and job.tries > 0)
            assert left_behind(told) == []
        assert (await told.clip(waits)).attachments[0].size == clip.stat().st_size
        assert await told.spent("guild", "clips") == (1, 0)
