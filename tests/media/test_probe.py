"""Whatever the bytes: an answer or one kind of refusal, quickly."""

import io
import random
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.references import MediaInfo
from bot.media.probe import UnreadableError, probe

MUTATIONS_EACH = 480
CPU_SECONDS_MAX = 0.25

FOREIGN = {
    b"": "is empty",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic": "is a HEIC picture, which no provider takes",
    b"\0\0\0\x18ftypavif\0\0\0\0mif1avif": "is an AVIF picture, which no provider takes",
    b"#EXTM3U\n#EXT-X-VERSION:3\n": "is an HLS playlist, not a picture, video or sound",
    b"ffconcat version 1.0\nfile '/etc/passwd'\n": "is an FFmpeg playlist, not a picture, video or sound",
    b"\n<!DOCTYPE html><title>404</title>": "is a web page, not a picture, video or sound",
    b'{"error": "gone"}': "is a JSON document, not a picture, video or sound",
    "Grüße aus dem Schnitt".encode(): "is a text file, not a picture, video or sound",
    b'<?xml version="1.0"?><svg xmlns="">': "is an SVG drawing, which no provider takes",
    b"\x1aE\xdf\xa3" + bytes(64): "is a WebM or Matroska video, which no provider takes",
    b"RIFF\0\0\0\0AVI LIST": "is an AVI video, which no provider takes",
    b"OggS" + bytes(64): "is an Ogg file, which no provider takes",
    b"fLaC" + bytes(64): "is a FLAC sound file, which no provider takes",
    b"ID3\x04\0\0\0\0\0\x04abcdfLaC" + bytes(64): "is a FLAC sound file, which no provider takes",
    b"%PDF-1.7": "is a PDF document, which no provider takes",
    b"PK\x03\x04" + bytes(64): "is a ZIP archive, which no provider takes",
    (b"G" + bytes(187)) * 3: "is an MPEG transport stream, which no provider takes",
    bytes(100): "is not an image, video or sound file we know",
    b"\x93\x12\xfe\x00\x81": "is not an image, video or sound file we know",
}


@pytest.mark.parametrize(("data", "clause"), FOREIGN.items(), ids=FOREIGN.values())
def test_what_is_not_taken_is_named(data: bytes, clause: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        probe(io.BytesIO(data), len(data))
    assert str(caught.value) == clause


def test_a_size_larger_than_the_file_is_a_cut(files: dict[str, Path]) -> None:
    for name in ("a.png", "first.mp4"):
        data = files[name].read_bytes()[:600]
        with pytest.raises(UnreadableError):
            probe(io.BytesIO(data), 10_000_000)


class Drying(io.BytesIO):
    """A file that gives nothing any more after some reads, as on a disk that fails."""

    def __init__(self, data: bytes, *, reads: int) -> None:
        super().__init__(data)
        self._reads_left = reads

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads_left -= 1
        return super().read(size) if self._reads_left >= 0 else b""


@pytest.mark.parametrize("reads", [0, 1, 2])
def test_reads_that_give_nothing_come_to_an_end(files: dict[str, Path], reads: int) -> None:
    for path in files.values():
        data = path.read_bytes()
        answer = _answer(data, file=Drying(data, reads=reads))
        assert (answer == "is empty") == (reads == 0)


STILLS_AND_CLIPS = (
    "a.jpg",
    "a.png",
    "a.webp",
    "a.bmp",
    "a.tiff",
    "a.gif",
    "first.mp4",
    "last.mp4",
    "a.mov",
    "hevc.mp4",
)


@pytest.mark.parametrize("name", STILLS_AND_CLIPS)
def test_a_cut_at_any_twentieth_is_named(files: dict[str, Path], name: str) -> None:
    data = files[name].read_bytes()
    for percent in range(0, 100, 5):
        refusal = _answer(data[: len(data) * percent // 100])
        assert isinstance(refusal, str)
        assert refusal.startswith("is cut off" if percent else "is empty")


@pytest.mark.parametrize("name", ["cbr.mp3", "vbr.mp3", "vbr-bare.mp3", "a.wav"])
def test_a_cut_sound_is_a_shorter_sound(files: dict[str, Path], name: str) -> None:
    data = files[name].read_bytes()
    whole = probe(io.BytesIO(data), len(data)).duration_ms
    lengths = [probe(io.BytesIO(cut), len(cut)).duration_ms for cut in _cuts(data, range(10, 100, 5))]
    assert lengths == sorted(lengths)
    assert 0 < lengths[0] < lengths[-1] < whole


def _cuts(data: bytes, percents: range) -> list[bytes]:
    return [data[: len(data) * percent // 100] for percent in percents]


@pytest.mark.parametrize("side", [8_192, 50_000])
def test_a_huge_picture_is_told_without_a_byte_of_it_unpacked(files: dict[str, Path], side: int) -> None:
    data = bytearray(files["a.png"].read_bytes())
    data[16:24] = side.to_bytes(4, "big") * 2
    info = probe(io.BytesIO(bytes(data)), len(data))
    assert (info.width, info.height) == (side, side)


def test_thousands_of_mutated_files_give_an_answer_or_a_refusal(files: dict[str, Path]) -> None:
    tried, slowest = 0, 0.0
    for name, path in files.items():
        data = path.read_bytes()
        chance = random.Random(zlib.crc32(name.encode()))  # noqa: S311 (the same files on every run)
        for _ in range(MUTATIONS_EACH):
            mutated = _mutated(data, chance)
            began = time.thread_time()
            assert _answer(mutated)
            slowest = max(slowest, time.thread_time() - began)
            tried += 1
    assert tried >= 10_000
    assert slowest < CPU_SECONDS_MAX


@settings(max_examples=400, deadline=None)
@given(
    head=st.sampled_from(
        [
            *(key[:24] for key in FOREIGN),
            *(b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", b"RIFF\xff\0\0\0WEBPVP8X", b"GIF89a", b"BM"),
            *(
                b"II*\0",
                b"MM\0*\0\0\0\x08",
                b"RIFF\0\0\0\0WAVEfmt ",
                b"ID3\x03\0\0\0\0\0\0\xff\xfb",
                b"\xff\xfb\x90\x64",
            ),
            *(b"\0\0\0\x10ftypisom\0\0\0\0", b"\0\0\0\x08moov", b"\0\0\0\x01mdat"),
        ]
    ),
    tail=st.binary(max_size=2_000),
)
def test_random_bytes_behind_a_true_beginning_give_an_answer_or_a_refusal(head: bytes, tail: bytes) -> None:
    assert _answer(head + tail)


def _answer(data: bytes, file: io.BytesIO | None = None) -> MediaInfo | str:
    try:
        return probe(file or io.BytesIO(data), len(data))
    except UnreadableError as refusal:
        return str(refusal)


def _mutated(data: bytes, chance: random.Random) -> bytes:
    """Flipped bytes, extreme numbers, cuts, repeats: most of them where the headers are."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        place = _place(changed, chance)
        match chance.randint(0, 5):
            case 0 | 1:
                changed[place] = chance.randrange(256)
            case 2 | 3:
                changed[place : place + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\0\0\0\1"))
            case 4:
                del changed[place : place + chance.randint(1, 400)]
            case _:
                changed[place:place] = changed[: chance.randint(1, 400)]
        if not changed:
            break
    return bytes(changed[: chance.randrange(len(changed) + 1)] if changed and chance.random() < 0.2 else changed)


def _place(data: bytearray, chance: random.Random) -> int:
    near = chance.random()
    if near < 0.6:
        return chance.randrange(min(len(data), 3_000))
    return max(len(data) - 1 - chance.randrange(5_000), 0) if near < 0.8 else chance.randrange(len(data))
