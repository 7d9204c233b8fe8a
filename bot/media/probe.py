"""What a file is, from its own first bytes: the name and the declared type are never believed."""

from collections.abc import Callable
from typing import BinaryIO

from bot.domain.references import MediaInfo
from bot.media.image_headers import read_bmp, read_gif, read_jpeg, read_png, read_tiff, read_webp
from bot.media.reading import Source, UnreadableError
from bot.media.sound_headers import after_id3, first_frame, read_mp3, read_wav
from bot.media.video_headers import read_mp4

__all__ = ["UnreadableError", "foreign_clause", "is_mp4", "probe"]

_Reader = Callable[[Source], MediaInfo]
_READERS: tuple[tuple[int, bytes, _Reader], ...] = (
    (0, b"\xff\xd8\xff", read_jpeg),
    (0, b"\x89PNG\r\n\x1a\n", read_png),
    (8, b"WEBP", read_webp),
    (0, b"BM", read_bmp),
    (0, b"II*\0", read_tiff),
    (0, b"MM\0*", read_tiff),
    (0, b"GIF87a", read_gif),
    (0, b"GIF89a", read_gif),
    (8, b"WAVE", read_wav),
)
_RIFF_READERS = (read_webp, read_wav)
_RIFF_MAGIC = (b"RIFF", b"RF64")
_MP4_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_MP4_READ_TOGETHER = 12

_NOT_TAKEN = "which no provider takes"
_FOREIGN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1aE\xdf\xa3", "a WebM or Matroska video"),
    (8, b"AVI ", "an AVI video"),
    (0, b"FLV\x01", "a Flash video"),
    (0, b"\x00\x00\x01\xba", "an MPEG program stream"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "a Windows Media file"),
    (0, b"OggS", "an Ogg file"),
    (0, b"fLaC", "a FLAC sound file"),
    (0, b"#!AMR", "an AMR sound file"),
    (8, b"AIFF", "an AIFF sound file"),
    (8, b"AIFC", "an AIFF sound file"),
    (0, b"MThd", "a MIDI file"),
    (0, b"ADIF", "an AAC sound file"),
    (0, b"\xff\xf1", "an AAC sound file"),
    (0, b"\xff\xf9", "an AAC sound file"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"II+\0", "a BigTIFF picture"),
    (0, b"MM\0+", "a BigTIFF picture"),
    (0, b"\x00\x00\x01\x00", "a Windows icon"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
)
_TEXTS: tuple[tuple[bytes, str], ...] = (
    (b"#extm3u", "an HLS playlist"),
    (b"ffconcat", "an FFmpeg playlist"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"{", "a JSON document"),
    (b"[", "a JSON document"),
)
_TRANSPORT_PACKET_BYTES = 188
_TEXT_BYTES = 512


def probe(file: BinaryIO, size_bytes: int) -> MediaInfo:
    """What the file's own header says; UnreadableError for everything else, whatever the bytes."""
    source = Source(file, size_bytes)
    head = source.some(0, _TEXT_BYTES)
    if not head:
        raise UnreadableError("is empty")
    for offset, magic, read in _READERS:
        if head[offset : offset + len(magic)] == magic and (read not in _RIFF_READERS or head[:4] in _RIFF_MAGIC):
            return read(source)
    if is_mp4(head):
        return read_mp4(source)
    clause = foreign_clause(head, wanted="picture, video or sound")
    if clause:
        raise UnreadableError(clause)
    if head[:3] == b"ID3" or _begins_like_mp3(source):
        return _read_tagged(source)
    raise UnreadableError("is not an image, video or sound file we know")


def is_mp4(head: bytes) -> bool:
    return len(head) >= _MP4_READ_TOGETHER and head[4:8] in _MP4_BOXES


def foreign_clause(head: bytes, *, wanted: str) -> str:
    """Names what is clearly something else (`is a web page, not a video`); empty if nothing is recognised."""
    for offset, magic, name in _FOREIGN:
        if head[offset : offset + len(magic)] == magic:
            return f"is {name}, {_NOT_TAKEN}"
    if len(head) > _TRANSPORT_PACKET_BYTES and head[0] == head[_TRANSPORT_PACKET_BYTES] == ord("G"):
        return f"is an MPEG transport stream, {_NOT_TAKEN}"
    return _text_clause(head[:_TEXT_BYTES], wanted)


def _text_clause(head: bytes, wanted: str) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for begin, name in _TEXTS:
        if text.startswith(begin):
            return f"is {name}, not a {wanted}"
    if b"<svg" in text:
        return f"is an SVG drawing, {_NOT_TAKEN}"
    return f"is a text file, not a {wanted}" if _is_text(head) else ""


def _is_text(head: bytes) -> bool:
    # A character may be cut at the end of what was read: the last three bytes prove nothing.
    text = head.decode("utf-8", "replace")[:-3] if len(head) == _TEXT_BYTES else head.decode("utf-8", "replace")
    return "�" not in text and not any(ord(letter) < ord(" ") and letter not in "\t\r\n\f" for letter in text)


def _begins_like_mp3(source: Source) -> bool:
    try:
        first_frame(source, 0)
    except UnreadableError:
        return False
    return True


def _read_tagged(source: Source) -> MediaInfo:
    """ID3 tags stand before other sounds too."""
    clause = foreign_clause(source.some(after_id3(source), 16), wanted="picture, video or sound")
    if clause.endswith(_NOT_TAKEN):
        raise UnreadableError(clause)
    return read_mp3(source)
