"""Size and completeness of still pictures, read from their headers."""

import struct
from typing import Literal

from bot.domain.references import MediaInfo
from bot.domain.slots import Kind
from bot.media.reading import Source, UnreadableError

SEGMENTS_MAX = 2_000
TIFF_ENTRIES_MAX = 1_000
_ORIENTATION = 274
_TURNED = frozenset({5, 6, 7, 8})
"""Exif orientations that swap width and height: https://www.cipa.jp/std/documents/download_e.html?CIPA_DC-008-2024-E"""
_ByteOrder = Literal["little", "big"]


def _still(image_format: str, width: int, height: int) -> MediaInfo:
    if width <= 0 or height <= 0:
        raise UnreadableError(f"says it is {width}×{height} pixels")
    return MediaInfo(kind=Kind.IMAGE, format=image_format, width=width, height=height, codec=image_format)


# -- PNG: https://www.w3.org/TR/png-3/

_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


def read_png(source: Source) -> MediaInfo:
    if source.at(12, 4) != b"IHDR":
        raise UnreadableError("is a broken PNG: it does not begin with its header")
    width, height = struct.unpack(">II", source.at(16, 8))
    info = _still("png", width, height)
    if source.some(source.size_bytes - len(_PNG_END), len(_PNG_END)) != _PNG_END:
        _walk_png(source)
    return info


def _walk_png(source: Source) -> None:
    """Some programs append bytes of their own: only a walk over the chunks tells that from a cut."""
    offset = 8
    while True:
        source.step()
        length, kind = struct.unpack(">I4s", source.at(offset, 8))
        offset += 12 + length
        if offset > source.size_bytes:
            raise UnreadableError(
                f"is cut off: its picture data ends at {offset:,} but the file has {source.size_bytes:,} bytes"
            )
        if kind == b"IEND":
            return


# -- JPEG: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LONE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})
_START_OF_SCAN, _END_OF_IMAGE, _APP1 = 0xDA, 0xD9, 0xE1
_EXIF_BYTES_MAX = 64 * 1024


def read_jpeg(source: Source) -> MediaInfo:
    width = height = 0
    turned = False
    offset = 2
    for _ in range(SEGMENTS_MAX):
        marker, offset = _next_marker(source, offset)
        if marker in _LONE_MARKERS:
            continue
        if marker in {_START_OF_SCAN, _END_OF_IMAGE}:
            break
        length = max(source.number(offset, 2), 2)
        if marker in _FRAME_MARKERS and not width:
            height, width = struct.unpack(">HH", source.at(offset + 3, 4))
        elif marker == _APP1 and source.some(offset + 2, 6) == b"Exif\0\0":
            turned = turned or _exif_turned(source.some(offset + 8, min(length - 8, _EXIF_BYTES_MAX)))
        offset += length
    if not width:
        raise UnreadableError("is a broken JPEG: it has no picture in it")
    _check_jpeg_end(source, offset)
    return _still("jpeg", *((height, width) if turned else (width, height)))


def _next_marker(source: Source, offset: int) -> tuple[int, int]:
    if source.at(offset, 1) != b"\xff":
        raise UnreadableError(f"is a broken JPEG: there is no marker at byte {offset:,}")
    while (marker := source.at(offset, 1)[0]) == 0xFF:  # noqa: PLR2004 (fill bytes before a marker are legal)
        source.step()
        offset += 1
    return marker, offset + 1


def _check_jpeg_end(source: Source, offset: int) -> None:
    """Phones append whole films after the end mark; in picture data itself these two bytes cannot stand together."""
    mark = bytes([0xFF, _END_OF_IMAGE])
    tail = min(source.size_bytes, 1024)
    if mark in source.some(source.size_bytes - tail, tail):
        return
    source.window_bytes = 256 * 1024
    while offset < source.size_bytes:
        block = source.some(offset, source.window_bytes)
        if mark in block:
            return
        offset += max(len(block) - 1, 1)
    raise UnreadableError("is cut off: its picture data does not end")


def _exif_turned(exif: bytes) -> bool:
    """Exif is a small TIFF file; a broken one is as good as none."""
    order = _byte_order(exif[:2])
    if order is None:
        return False

    def number(offset: int, count: int) -> int:
        return int.from_bytes(exif[offset : offset + count], order)

    first = number(4, 4)
    entries = (first + 2 + 12 * index for index in range(min(number(first, 2), TIFF_ENTRIES_MAX)))
    return any(number(entry, 2) == _ORIENTATION and number(entry + 8, 2) in _TURNED for entry in entries)


# -- TIFF: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf

_WIDTH, _HEIGHT, _STRIP_OFFSETS, _STRIP_COUNTS = 256, 257, 273, 279
_TYPE_BYTES = {1: 1, 3: 2, 4: 4}


def _byte_order(mark: bytes) -> _ByteOrder | None:
    if mark == b"II":
        return "little"
    return "big" if mark == b"MM" else None


def read_tiff(source: Source) -> MediaInfo:
    order = _byte_order(source.at(0, 2)) or "little"

    def number(offset: int, count: int) -> int:
        return int.from_bytes(source.at(offset, count), order)

    directory = number(4, 4)
    tags: dict[int, tuple[int, int]] = {}
    for index in range(min(number(directory, 2), TIFF_ENTRIES_MAX)):
        entry = directory + 2 + 12 * index
        kind, count = number(entry + 2, 2), number(entry + 4, 4)
        each = _TYPE_BYTES.get(kind, 0)
        place = entry + 8 if each * count <= 4 else number(entry + 8, 4)  # noqa: PLR2004 (four bytes fit in place)
        tags[number(entry, 2)] = (number(place + each * max(count - 1, 0), each), number(place, each))
    if _STRIP_OFFSETS in tags and _STRIP_COUNTS in tags:
        end = tags[_STRIP_OFFSETS][0] + tags[_STRIP_COUNTS][0]
        if end > source.size_bytes:
            raise UnreadableError(
                f"is cut off: its picture data ends at {end:,} but the file has {source.size_bytes:,} bytes"
            )
    width, height = tags.get(_WIDTH, (0, 0))[1], tags.get(_HEIGHT, (0, 0))[1]
    turned = tags.get(_ORIENTATION, (1, 1))[1] in _TURNED
    return _still("tiff", *((height, width) if turned else (width, height)))


# -- WebP: https://developers.google.com/speed/webp/docs/riff_container


def read_webp(source: Source) -> MediaInfo:
    kind = source.at(12, 4)
    end = 8 + int.from_bytes(source.at(4, 4), "little")
    if end > source.size_bytes:
        raise UnreadableError(f"is cut off: it should have {end:,} bytes but has {source.size_bytes:,}")
    if kind == b"VP8X":
        canvas = source.at(24, 6)
        width, height = (1 + int.from_bytes(canvas[start : start + 3], "little") for start in (0, 3))
        return _still("webp", width, height)
    if kind == b"VP8L" and source.at(20, 1) == b"\x2f":
        bits = int.from_bytes(source.at(21, 4), "little")
        return _still("webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 " and source.at(23, 3) == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", source.at(26, 4))
        return _still("webp", width & 0x3FFF, height & 0x3FFF)
    raise UnreadableError("is a broken WebP: it has no picture in it")


# -- BMP: https://learn.microsoft.com/windows/win32/api/wingdi/ns-wingdi-bitmapinfoheader

_CORE_HEADER, _INFO_HEADER = 12, 40


def read_bmp(source: Source) -> MediaInfo:
    data_offset, header = struct.unpack("<II", source.at(10, 8))
    if header == _CORE_HEADER:
        width, height, _planes, bits = struct.unpack("<HHHH", source.at(18, 8))
        compression = 0
    elif _INFO_HEADER <= header <= source.size_bytes:
        width, height, _planes, bits, compression = struct.unpack("<iiHHI", source.at(18, 16))
    else:
        raise UnreadableError("is a broken BMP: its header is of no known kind")
    info = _still("bmp", width, abs(height))
    end = data_offset + (width * bits + 31) // 32 * 4 * abs(height)
    if compression == 0 and end > source.size_bytes:
        raise UnreadableError(
            f"is cut off: its picture data ends at {end:,} but the file has {source.size_bytes:,} bytes"
        )
    return info


# -- GIF: https://www.w3.org/Graphics/GIF/spec-gif89a.txt


def read_gif(source: Source) -> MediaInfo:
    width, height = struct.unpack("<HH", source.at(6, 4))
    tail = min(source.size_bytes, 256)
    if not source.some(source.size_bytes - tail, tail).rstrip(b"\0\r\n").endswith(b";"):
        raise UnreadableError("is cut off: its end mark is missing")
    return _still("gif", width, height)
