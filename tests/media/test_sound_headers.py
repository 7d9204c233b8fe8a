"""Sounds: how long they are, whatever their headers say or leave out."""

import io
import struct
from pathlib import Path

import pytest

from bot.domain.references import MediaInfo
from bot.domain.slots import Kind
from bot.media.probe import UnreadableError, probe
from bot.media.sound_headers import FRAMES_COUNTED_MAX
from tests.media.conftest import SAMPLES
from tests.media.test_image_headers import Counted


def probed(data: bytes) -> MediaInfo:
    info = probe(io.BytesIO(data), len(data))
    assert info.kind is Kind.AUDIO
    assert info.has_sound
    return info


@pytest.mark.parametrize("name", ["cbr.mp3", "cbr-bare.mp3", "vbr.mp3", "vbr-bare.mp3"])
def test_an_mp3_of_twelve_seconds_reads_as_such(files: dict[str, Path], name: str) -> None:
    info = probed(files[name].read_bytes())
    assert info.format == info.codec == "mp3"
    assert info.duration_ms == pytest.approx(12_000, abs=50)


@pytest.mark.parametrize("name", ["cbr.mp3", "vbr.mp3"])
def test_the_encoders_silence_is_trimmed_to_the_millisecond(files: dict[str, Path], name: str) -> None:
    assert probed(files[name].read_bytes()).duration_ms == 12_000


def test_bare_files_have_no_header_frame(files: dict[str, Path]) -> None:
    assert not any(tag in files["vbr-bare.mp3"].read_bytes()[:4096] for tag in (b"Xing", b"Info", b"VBRI"))
    assert b"Xing" in files["vbr.mp3"].read_bytes()[:4096]


@pytest.mark.parametrize("name", ["cbr.mp3", "vbr.mp3", "a.wav"])
def test_a_header_that_tells_all_is_all_that_is_read(files: dict[str, Path], name: str) -> None:
    data = files[name].read_bytes()
    counted = Counted(data)
    probe(counted, len(data))
    assert counted.reads == 1
    assert counted.read_bytes <= 16 * 1024 < len(data)


def test_the_mp3_of_the_samples_is_read() -> None:
    assert probed((SAMPLES / "mood.mp3").read_bytes()).duration_ms == 8_000


def test_a_cover_of_300_kilobytes_before_the_sound_is_skipped(files: dict[str, Path]) -> None:
    size = 300_000
    tag = b"ID3\x04\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + b"\xff\xfb" * (size // 2)
    assert probed(tag + files["vbr-bare.mp3"].read_bytes()).duration_ms == pytest.approx(12_000, abs=50)


def test_an_mp3_cut_after_it_was_written_is_counted(files: dict[str, Path]) -> None:
    data = files["cbr.mp3"].read_bytes()
    assert probed(data[: len(data) // 2]).duration_ms == pytest.approx(6_000, abs=60)


def test_a_vbri_header_is_believed(files: dict[str, Path]) -> None:
    whole = files["cbr-bare.mp3"].read_bytes()
    data = bytearray(whole[whole.index(b"\xff\xfb") :])
    data[36:62] = b"VBRI" + struct.pack(">HHHIIHHHH", 1, 0, 0, len(data), 200, 0, 0, 0, 0)
    assert probed(bytes(data)).duration_ms == round(200 * 1152 / 44.1)


def test_foreign_bytes_between_frames_are_passed_over(files: dict[str, Path]) -> None:
    data = files["cbr-bare.mp3"].read_bytes()
    middle = len(data) // 2
    assert probed(data[:middle] + b"\0junk\xff" * 700 + data[middle:]).duration_ms == pytest.approx(12_000, abs=150)


def test_a_tag_at_the_end_is_not_sound(files: dict[str, Path]) -> None:
    data = files["vbr-bare.mp3"].read_bytes()
    assert probed(data + b"TAG" + b"\xff" * 125) == probed(data)


def test_a_very_long_mp3_is_extrapolated(files: dict[str, Path]) -> None:
    data = files["cbr-bare.mp3"].read_bytes()
    times = 3 * FRAMES_COUNTED_MAX // 459
    frames = data * times
    assert probed(frames).duration_ms == pytest.approx(12_030 * times, rel=0.01)


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("float.wav", "pcm_f32le")])
def test_a_wav_is_read(files: dict[str, Path], name: str, codec: str) -> None:
    info = probed(files[name].read_bytes())
    assert (info.format, info.codec, info.duration_ms) == ("wav", codec, 3_000)


@pytest.mark.parametrize("told", [0xFFFFFFFF, 0, 0x7FFFFFFF])
def test_a_wav_that_lies_about_its_size_is_measured(files: dict[str, Path], told: int) -> None:
    data = bytearray(files["a.wav"].read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = struct.pack("<I", told)
    assert probed(bytes(data)).duration_ms == 3_000


def test_an_extensible_wav_names_its_inner_format() -> None:
    guid = struct.pack("<H", 3) + bytes.fromhex("000000001000800000aa00389b71")
    body = struct.pack("<HHIIHHHHI", 0xFFFE, 2, 48_000, 384_000, 8, 32, 22, 32, 3) + guid
    data = b"WAVEfmt " + struct.pack("<I", len(body)) + body + b"data" + struct.pack("<I", 384_000) + bytes(384_000)
    info = probed(b"RIFF" + struct.pack("<I", len(data)) + data)
    assert (info.codec, info.duration_ms) == ("pcm_f32le", 1_000)


def test_a_wav_without_data_is_refused(files: dict[str, Path]) -> None:
    with pytest.raises(UnreadableError, match="no sound"):
        probed(files["a.wav"].read_bytes()[:36])
