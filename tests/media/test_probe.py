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


def _answer(data: bytes) -> MediaInfo | str:
    try:
        return probe(io.BytesIO(data), len(data))
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
