"""A finished clip plays from its first frame to its last, or the reason is said."""

import random
from pathlib import Path

import pytest

from bot.media.child import ChildFailedError, Ending, run_limited
from bot.media.clips import playing
from bot.media.inspection import LIMITS, TARGET
from bot.media.probe import UnreadableError
from tests.media import making


@pytest.mark.parametrize("name", ["first.mp4", "last.mp4", "fragments.mp4", "turned.mp4"])
def test_a_whole_clip_plays(files: dict[str, Path], name: str) -> None:
    found = playing(files[name])
    assert (found.frames, found.codec, found.has_sound) == (48, "h264", True)


def test_a_faststart_clip_cut_at_80_percent_tells_its_frames(files: dict[str, Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    data = files["first.mp4"].read_bytes()
    cut.write_bytes(data[: len(data) * 4 // 5])
    with pytest.raises(UnreadableError, match=r"^is cut off \(\d\d of 48 frames\)$"):
        playing(cut)


@pytest.mark.parametrize("name", ["first.mp4", "last.mp4"])
def test_every_cut_is_refused_with_a_reason(files: dict[str, Path], tmp_path: Path, name: str) -> None:
    data = files[name].read_bytes()
    cut = tmp_path / "cut.mp4"
    for percent in range(0, 100, 5):
        cut.write_bytes(data[: len(data) * percent // 100])
        with pytest.raises(UnreadableError, match=r"is cut off|is empty"):
            playing(cut)


def test_one_missing_byte_is_noticed(files: dict[str, Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(files["first.mp4"].read_bytes()[:-1])
    with pytest.raises(UnreadableError, match="is cut off"):
        playing(cut)


@pytest.mark.parametrize(
    ("data", "clause"),
    [
        (b"", "is empty"),
        (b"<!doctype html><p>Sign in", "is a web page, not a video"),
        (b'{"code": 404}', "is a JSON document, not a video"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "is an FFmpeg playlist, not a video"),
        (b"#EXTM3U\nhttp://127.0.0.1/a.ts\n", "is an HLS playlist, not a video"),
        (b"\x1aE\xdf\xa3" + bytes(99), "is a WebM or Matroska video, which no provider takes"),
    ],
)
def test_what_is_no_clip_is_named(tmp_path: Path, data: bytes, clause: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    with pytest.raises(UnreadableError) as caught:
        playing(path)
    assert str(caught.value) == clause


@pytest.mark.parametrize(
    ("name", "clause"), [("a.m4a", "has no video"), ("a.png", "is PNG, not a video"), ("a.wav", "is WAV, not a video")]
)
def test_another_kind_of_file_is_named(files: dict[str, Path], name: str, clause: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        playing(files[name])
    assert str(caught.value) == clause


def test_damaged_clips_give_an_answer_or_a_refusal(files: dict[str, Path], tmp_path: Path) -> None:
    data = files["first.mp4"].read_bytes()
    chance = random.Random(11)  # noqa: S311 (the same files on every run)
    path = tmp_path / "a.mp4"
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(20):
            damaged[chance.randrange(40, 4_000)] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            assert playing(path).frames
        except (UnreadableError, MemoryError):  # a damaged size may ask for terabytes: the child tells that
            continue


async def test_a_huge_picture_in_a_small_file_is_refused_by_name(tmp_path: Path) -> None:
    path = making.plain_clip(tmp_path / "a.mp4", side=8192)
    with pytest.raises(ChildFailedError) as caught:
        await run_limited(TARGET, {"path": str(path), "output": str(tmp_path / "frame")}, limits=LIMITS)
    assert caught.value.reason == "is a video of 8,192×8,192 pixels, which is more than can be worked on"
    assert caught.value.ending is Ending.REFUSED


def test_a_clip_without_sound_says_so(files: dict[str, Path]) -> None:
    assert not playing(files["silent.mp4"]).has_sound
