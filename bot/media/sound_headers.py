"""Length of WAV and MP3 files, read from their headers, or counted where no header tells."""

from dataclasses import dataclass
from functools import lru_cache

from bot.domain.references import MediaInfo
from bot.domain.slots import Kind
from bot.media.reading import WIDE_WINDOW_BYTES, Source, UnreadableError


def _sound(sound_format: str, codec: str, samples: int, rate: int) -> MediaInfo:
    if rate <= 0 or samples <= 0:
        raise UnreadableError("has no sound in it")
    duration_ms = (samples * 1000 + rate // 2) // rate
    return MediaInfo(kind=Kind.AUDIO, format=sound_format, duration_ms=duration_ms, codec=codec, has_sound=True)


# -- WAV: https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_WAV_CODECS = {2: "adpcm_ms", 6: "pcm_alaw", 7: "pcm_mulaw", 0x11: "adpcm_ima_wav", 0x50: "mp2", 0x55: "mp3"}
_EXTENSIBLE_BYTES = 26


def read_wav(source: Source) -> MediaInfo:
    codec, byte_rate = "", 0
    offset = 12
    while offset + 8 <= source.size_bytes:
        source.step()
        header = source.at(offset, 8)
        kind, size = header[:4], int.from_bytes(header[4:], "little")
        body = offset + 8
        if kind == b"fmt ":
            codec, byte_rate = _wav_format(source.at(body, 16), source.some(body + 16, 10) if size > 16 else b"")  # noqa: PLR2004 (the plain form has 16 bytes)
        elif kind == b"data":
            if not codec:
                break
            # Recorders that stream leave 0 or 0xFFFFFFFF here: what is in the file counts.
            left = source.size_bytes - body
            return _sound("wav", codec, min(size or left, left), byte_rate)
        offset = body + size + size % 2
    raise UnreadableError("is a broken WAV: it has no sound data in it")


def _wav_format(plain: bytes, more: bytes) -> tuple[str, int]:
    tag, bits = int.from_bytes(plain[:2], "little"), int.from_bytes(plain[14:16], "little")
    rate, byte_rate, frame = (int.from_bytes(plain[a:b], "little") for a, b in ((4, 8), (8, 12), (12, 14)))
    if tag == _EXTENSIBLE and 16 + len(more) >= _EXTENSIBLE_BYTES:
        tag = int.from_bytes(more[8:10], "little")
    if tag == _PCM:
        return ("pcm_u8" if bits <= 8 else f"pcm_s{bits}le"), rate * frame  # noqa: PLR2004 (bytes are unsigned)
    if tag == _FLOAT:
        return f"pcm_f{bits}le", rate * frame
    return _WAV_CODECS.get(tag, f"0x{tag:04x}"), byte_rate


# -- MP3: http://www.mp3-tech.org/programmer/frame_header.html

_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_KILOBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KILOBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG_1, _MPEG_RESERVED, _MONO = 3, 1, 3
LAYER_3 = 1
FRAMES_COUNTED_MAX = 30_000
"""Thirteen minutes: what is longer is far over any limit, and the rest is extrapolated."""
SEARCHED_BYTES = 64 * 1024
SEARCHED_FIRST_BYTES = 8 * 1024
"""Nearly every file begins at once: the rest need not be read for it."""
ID3_TAGS_MAX = 8
CONFIRMED_FRAMES = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """One MP3 frame's header; frames of one file share version, layer and rate."""

    version: int
    rate: int
    bytes: int
    samples: int
    mono: bool

    @property
    def info_offset(self) -> int:
        """Where a Xing tag lies: behind the side information, whose length depends on version and channels."""
        if self.version == _MPEG_1:
            return 4 + (17 if self.mono else 32)
        return 4 + (9 if self.mono else 17)

    def fits(self, other: "Frame") -> bool:
        return (self.version, self.rate) == (other.version, other.rate)


@lru_cache(maxsize=1024)
def frame_of(header: bytes) -> Frame | None:
    """The frame a four-byte header announces, or None."""
    word = int.from_bytes(header, "big")
    version, layer = word >> 19 & 3, word >> 17 & 3
    bitrate, rate = word >> 12 & 15, word >> 10 & 3
    if len(header) < 4 or word >> 21 != 0x7FF or version == _MPEG_RESERVED or layer != LAYER_3:  # noqa: PLR2004 (as the page above)
        return None
    if bitrate in {0, 15} or rate == 3:  # noqa: PLR2004 (reserved values)
        return None
    hertz = _RATES[version][rate]
    kilobits = (_KILOBITS_1 if version == _MPEG_1 else _KILOBITS_2)[bitrate]
    samples = 1152 if version == _MPEG_1 else 576
    length = samples // 8 * kilobits * 1000 // hertz + (word >> 9 & 1)
    return Frame(version, hertz, length, samples, mono=word >> 6 & 3 == _MONO)


def read_mp3(source: Source) -> MediaInfo:
    offset, first = first_frame(source, after_id3(source))
    samples = _told_samples(source, offset, first)
    if samples is None:
        samples = _counted_samples(source, offset, first)
    return _sound("mp3", "mp3", samples, first.rate)


def after_id3(source: Source) -> int:
    """Where the sound begins behind ID3v2 tags: https://id3.org/id3v2.4.0-structure."""
    offset = 0
    for _ in range(ID3_TAGS_MAX):
        head = source.some(offset, 10)
        if len(head) < 10 or head[:3] != b"ID3":  # noqa: PLR2004 (the tag's header)
            break
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        offset += 10 + size + (10 if head[5] & 0x10 else 0)
    return offset


def first_frame(source: Source, start: int) -> tuple[int, Frame]:
    """The first place where several frames of one kind follow each other: two bytes alone prove nothing."""
    for count in (SEARCHED_FIRST_BYTES, SEARCHED_BYTES):
        searched = source.some(start, count)
        at = searched.find(b"\xff")
        while at >= 0:
            source.step()
            frame = frame_of(searched[at : at + 4])
            if frame and _confirmed(source, start + at, frame):
                return start + at, frame
            at = searched.find(b"\xff", at + 1)
    raise UnreadableError("is a broken MP3: it has no sound in it")


def _confirmed(source: Source, offset: int, frame: Frame) -> bool:
    following: Frame | None = frame
    for _ in range(CONFIRMED_FRAMES):
        if following is None or not following.fits(frame):
            return False
        offset += following.bytes
        if offset >= source.size_bytes:
            return True
        following = frame_of(source.some(offset, 4))
    return True


# -- what the encoder told: http://gabriel.mp3-tech.org/mp3infotag.html

_HAS_FRAMES, _HAS_BYTES, _HAS_TABLE, _HAS_QUALITY = 1, 2, 4, 8
_GAPLESS_ENCODERS = (b"LAME", b"Lavf", b"Lavc")
_VBRI_OFFSET = 36
_SLACK_BYTES = 4096


def _told_samples(source: Source, offset: int, frame: Frame) -> int | None:
    if source.some(offset + frame.info_offset, 4) in {b"Xing", b"Info"}:
        return _xing_samples(source, offset, frame)
    if source.some(offset + _VBRI_OFFSET, 4) == b"VBRI":
        told_bytes, frames = (source.number(offset + _VBRI_OFFSET + at, 4) for at in (10, 14))
        return frames * frame.samples if _whole(source, offset, told_bytes) else None
    return None


def _xing_samples(source: Source, offset: int, frame: Frame) -> int | None:
    """Frames times samples, less the silence that the encoder put before and behind."""
    at = offset + frame.info_offset
    flags = source.number(at + 4, 4)
    at += 8
    if not flags & _HAS_FRAMES:
        return None
    frames = source.number(at, 4)
    at += 4
    if flags & _HAS_BYTES:
        if not _whole(source, offset, source.number(at, 4)):
            return None
        at += 4
    at += (100 if flags & _HAS_TABLE else 0) + (4 if flags & _HAS_QUALITY else 0)
    silence = 0
    if source.some(at, 4) in _GAPLESS_ENCODERS:
        delays = source.number(at + 21, 3)
        silence = (delays >> 12) + (delays & 0xFFF)
    return max(frames * frame.samples - silence, 0)


def _whole(source: Source, offset: int, told_bytes: int) -> bool:
    """False for a file that was cut, or joined to another, after its header was written: then frames are counted."""
    return abs(offset + told_bytes - source.size_bytes) <= _SLACK_BYTES


def _counted_samples(source: Source, offset: int, first: Frame) -> int:
    source.window_bytes = WIDE_WINDOW_BYTES
    start, count = offset, 0
    if source.some(offset + first.info_offset, 4) in {b"Xing", b"Info"}:
        offset += first.bytes  # this frame carries the header, not sound
    while count < FRAMES_COUNTED_MAX:
        frame = frame_of(source.some(offset, 4))
        if frame is None or not frame.fits(first):
            offset = _resumed(source, offset, first)
            if offset < 0:
                return count * first.samples
            continue
        if offset + frame.bytes > source.size_bytes:
            return count * first.samples
        offset += frame.bytes
        count += 1
    return count * first.samples * (source.size_bytes - start) // max(offset - start, 1)


def _resumed(source: Source, offset: int, first: Frame) -> int:
    """The next frame behind foreign bytes, -1 if there is none near."""
    searched = source.some(offset, SEARCHED_BYTES)
    at = searched.find(b"\xff", 1)
    while at >= 0:
        source.step()
        frame = frame_of(searched[at : at + 4])
        if frame and frame.fits(first) and _confirmed(source, offset + at, frame):
            return offset + at
        at = searched.find(b"\xff", at + 1)
    return -1
