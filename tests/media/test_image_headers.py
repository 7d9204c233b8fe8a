"""Pictures: the displayed size, and what is cut."""

import io
import struct
from pathlib import Path

import pytest

from bot.domain.slots import Kind
from bot.media.probe import UnreadableError, probe
from tests.media.conftest import SAMPLES


def probed(data: bytes) -> tuple[str, int, int]:
    info = probe(io.BytesIO(data), len(data))
    assert info.kind is Kind.IMAGE
    assert info.duration_ms == 0
    return info.format, info.width, info.height


@pytest.mark.parametrize(
    ("name", "image_format"),
    [
        ("a.jpg", "jpeg"),
        ("a.png", "png"),
        ("a.webp", "webp"),
        ("lossless.webp", "webp"),
        ("exif.webp", "webp"),
        ("a.bmp", "bmp"),
        ("a.tiff", "tiff"),
        ("a.gif", "gif"),
    ],
)
def test_the_size_is_read_from_the_header(files: dict[str, Path], name: str, image_format: str) -> None:
    assert probed(files[name].read_bytes()) == (image_format, 640, 400)


def test_a_photograph_of_the_samples_is_read() -> None:
    assert probed((SAMPLES / "cat.jpg").read_bytes()) == ("jpeg", 1082, 720)


def test_a_jpeg_turned_by_exif_is_upright(files: dict[str, Path]) -> None:
    assert probed(files["turned.jpg"].read_bytes()) == ("jpeg", 400, 640)


def test_each_webp_layout_is_covered(files: dict[str, Path]) -> None:
    kinds = {files[name].read_bytes()[12:16] for name in ("a.webp", "lossless.webp", "exif.webp")}
    assert kinds == {b"VP8 ", b"VP8L", b"VP8X"}


def test_a_big_endian_turned_tiff_is_read() -> None:
    entries = [(256, 3, 1, 300 << 16), (257, 3, 1, 500 << 16), (274, 3, 1, 8 << 16)]
    data = b"MM\0*\0\0\0\x08" + struct.pack(">H", 3) + b"".join(struct.pack(">HHII", *entry) for entry in entries)
    assert probed(data + b"\0" * 4) == ("tiff", 500, 300)


def test_a_bmp_from_top_to_bottom_has_a_positive_height(files: dict[str, Path]) -> None:
    data = bytearray(files["a.bmp"].read_bytes())
    data[22:26] = struct.pack("<i", -400)
    assert probed(bytes(data)) == ("bmp", 640, 400)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tiff", "a.gif"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_cut_picture_is_named_as_such(files: dict[str, Path], name: str, share: float) -> None:
    data = files[name].read_bytes()
    with pytest.raises(UnreadableError, match="is cut off"):
        probed(data[: int(len(data) * share)])


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_bytes_behind_the_end_do_not_matter(files: dict[str, Path], name: str) -> None:
    assert probed(files[name].read_bytes() + b"a phone's film" * 9_000)[1:] == (640, 400)


def test_a_jpeg_with_large_metadata_is_read_by_jumping(files: dict[str, Path]) -> None:
    data = files["a.jpg"].read_bytes()
    padding = (b"\xff\xe2" + struct.pack(">H", 65_000) + b"i" * 64_998) * 5
    large = data[:2] + padding + data[2:]
    counted = Counted(large)
    assert probe(counted, len(large)).width == 640
    assert counted.read_bytes <= 32 * 1024


def test_a_picture_without_pixels_is_refused(files: dict[str, Path]) -> None:
    data = bytearray(files["a.png"].read_bytes())
    data[16:20] = bytes(4)
    with pytest.raises(UnreadableError, match="0×400 pixels"):
        probed(bytes(data))


class Counted(io.BytesIO):
    """Counts what is read of it."""

    read_bytes = 0
    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.reads += 1
        self.read_bytes += len(data)
        return data
