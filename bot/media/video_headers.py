"""Shape, length and completeness of MP4 and QuickTime files, read from their boxes.

ISO/IEC 14496-12 (https://www.iso.org/standard/83102.html) and
https://developer.apple.com/documentation/quicktime-file-format.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bot.domain.references import MediaInfo
from bot.domain.slots import Kind
from bot.media.reading import HEAD_BYTES, WINDOW_BYTES, Source, UnreadableError

EDITS_MAX = 1_000
LAST_CHUNK_SAMPLES_MAX = 100_000
_CONTAINERS = frozenset({b"trak", b"edts", b"mdia", b"minf", b"stbl", b"mvex"})
_CODECS = {
    "avc1": "h264",
    "avc3": "h264",
    "hvc1": "hevc",
    "hev1": "hevc",
    "dvh1": "hevc",
    "dvhe": "hevc",
    "av01": "av1",
    "vp08": "vp8",
    "vp09": "vp9",
    "mp4v": "mpeg4",
    "jpeg": "mjpeg",
    "mjpa": "mjpeg",
    "mjpb": "mjpeg",
    "s263": "h263",
    "apcn": "prores",
    "apch": "prores",
    "apcs": "prores",
    "apco": "prores",
    "ap4h": "prores",
    "ap4x": "prores",
}
STILL_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"), "a HEIC picture"),
    **dict.fromkeys((b"avif", b"avis"), "an AVIF picture"),
    b"crx ": "a Canon raw picture",
}


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the file: its body lies from `start` to `end`."""

    kind: bytes
    start: int
    end: int


@dataclass(slots=True, kw_only=True)
class Track:
    """What is known of one track while its boxes are read."""

    number: int = 0
    handler: bytes = b""
    codec: str = ""
    width: int = 0
    height: int = 0
    turned: bool = False
    timescale: int = 0
    duration: int = 0
    edited: int = 0
    skipped: int = 0
    tables: dict[bytes, Box] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Movie:
    """The file's index."""

    timescale: int = 0
    fragmented_duration: int = 0
    fragmented: bool = False
    sample_durations: dict[int, int] = field(default_factory=dict)
    tracks: list[Track] = field(default_factory=list)

    def of(self, handler: bytes) -> list[Track]:
        return [track for track in self.tracks if track.handler == handler]


def read_mp4(source: Source) -> MediaInfo:
    brand, index, fragments = _survey(source)
    if brand in STILL_BRANDS:
        raise UnreadableError(f"is {STILL_BRANDS[brand]}, which no provider takes")
    movie = Movie()
    _read_index(source, index.start, index.end, movie)
    pictures, sounds = movie.of(b"vide"), movie.of(b"soun")
    if not pictures:
        raise UnreadableError(
            "is an M4A sound file without a picture, which no provider takes; make it an MP3 or WAV"
            if sounds
            else "has no video track"
        )
    if movie.fragmented:
        _count_fragments(source, fragments, movie)
    else:
        _check_whole(source, pictures + sounds)
    return _info("mov" if brand in {b"", b"qt  "} else "mp4", movie, pictures[0])


def _info(video_format: str, movie: Movie, picture: Track) -> MediaInfo:
    duration_ms = max(_milliseconds(track, movie) for track in movie.of(b"vide") + movie.of(b"soun"))
    if not duration_ms:
        raise UnreadableError("is a video without a single frame")
    if not picture.width or not picture.height:
        raise UnreadableError("is a video that does not say how large its picture is")
    width, height = (picture.height, picture.width) if picture.turned else (picture.width, picture.height)
    return MediaInfo(
        kind=Kind.VIDEO,
        format=video_format,
        width=width,
        height=height,
        duration_ms=duration_ms,
        codec=picture.codec,
        has_sound=bool(movie.of(b"soun")),
    )


def _milliseconds(track: Track, movie: Movie) -> int:
    """The presented time: an edit list trims what the encoder put before and behind."""
    if movie.fragmented and movie.fragmented_duration:
        return _scaled(movie.fragmented_duration, movie.timescale)
    if track.edited and not movie.fragmented:
        return _scaled(track.edited, movie.timescale)
    return _scaled(max(track.duration - track.skipped, 0), track.timescale)


def _scaled(duration: int, timescale: int) -> int:
    return (duration * 1000 + timescale // 2) // timescale if timescale else 0


# -- boxes


def boxes(source: Source, start: int, end: int) -> Iterator[Box]:
    while start + 8 <= end:
        source.step()
        size, kind = struct.unpack(">I4s", source.at(start, 8))
        header = 8
        if size == 1:
            size, header = source.number(start + 8, 8), 16
        elif size == 0:
            size = end - start
        if size < header:
            raise UnreadableError(f"is a broken video: its parts do not fit together at byte {start:,}")
        yield Box(kind, start + header, start + size)
        start += size


def _survey(source: Source) -> tuple[bytes, Box, list[Box]]:
    """The brand, the index and the fragments among the outermost boxes."""
    brand, index, fragments, end = b"", None, list[Box](), 0
    source.window_bytes = HEAD_BYTES  # an index that stands last comes with its first read
    for box in boxes(source, 0, source.size_bytes):
        end = box.end
        if box.kind == b"ftyp":
            brand = source.at(box.start, 4)
            if brand in STILL_BRANDS:
                raise UnreadableError(f"is {STILL_BRANDS[brand]}, which no provider takes")
        elif box.kind == b"moov":
            index = index or box
            source.window_bytes = WINDOW_BYTES
        elif box.kind == b"moof":
            fragments.append(box)
    if index is None:
        raise UnreadableError("is cut off: its index (moov), which is often written last, is missing")
    if index.end > source.size_bytes or (fragments and end > source.size_bytes):
        where = "index" if index.end > source.size_bytes else "last fragment"
        raise UnreadableError(
            f"is cut off: its {where} ends at {max(end, index.end):,} but the file has {source.size_bytes:,} bytes"
        )
    return brand, index, fragments


def _read_index(source: Source, start: int, end: int, movie: Movie) -> None:
    for box in boxes(source, start, end):
        if box.end > end:
            raise UnreadableError(f"is a broken video: a part of its index runs over at byte {box.start:,}")
        if box.kind == b"trak":
            movie.tracks.append(Track())
        if box.kind == b"mvex":
            movie.fragmented = True
        if box.kind in _CONTAINERS:
            _read_index(source, box.start, box.end, movie)
        elif box.kind in _MOVIE_READERS:
            _MOVIE_READERS[box.kind](source, box, movie)
        elif box.kind in _TRACK_READERS and movie.tracks:
            _TRACK_READERS[box.kind](source, box, movie.tracks[-1])


def _version(source: Source, box: Box) -> int:
    return source.at(box.start, 1)[0]


def _time(source: Source, box: Box) -> tuple[int, int]:
    """Timescale and duration, at the same place in mvhd and mdhd."""
    if _version(source, box) == 1:
        return source.number(box.start + 20, 4), source.number(box.start + 24, 8)
    return source.number(box.start + 12, 4), source.number(box.start + 16, 4)


def _read_mvhd(source: Source, box: Box, movie: Movie) -> None:
    movie.timescale, _ = _time(source, box)


def _read_mehd(source: Source, box: Box, movie: Movie) -> None:
    movie.fragmented_duration = source.number(box.start + 4, 8 if _version(source, box) == 1 else 4)


def _read_trex(source: Source, box: Box, movie: Movie) -> None:
    movie.sample_durations[source.number(box.start + 4, 4)] = source.number(box.start + 12, 4)


def _read_tkhd(source: Source, box: Box, track: Track) -> None:
    number, matrix = (20, 52) if _version(source, box) == 1 else (12, 40)
    track.number = source.number(box.start + number, 4)
    a, b, _u, c, d = struct.unpack(">5i", source.at(box.start + matrix, 20))
    track.turned = a == d == 0 and b != 0 != c


def _read_mdhd(source: Source, box: Box, track: Track) -> None:
    track.timescale, track.duration = _time(source, box)


def _read_hdlr(source: Source, box: Box, track: Track) -> None:
    # QuickTime has a second handler for where the data lies, further in: the first one names the kind.
    track.handler = track.handler or source.at(box.start + 8, 4)


def _read_elst(source: Source, box: Box, track: Track) -> None:
    count = min(source.number(box.start + 4, 4), EDITS_MAX)
    layout = ">Qq4x" if _version(source, box) == 1 else ">Ii4x"
    edits = list(struct.iter_unpack(layout, source.at(box.start + 8, count * struct.calcsize(layout))))
    track.edited = sum(duration for duration, _ in edits)
    track.skipped = max((begin for _, begin in edits[:1]), default=0)


def _read_stsd(source: Source, box: Box, track: Track) -> None:
    name = source.at(box.start + 12, 4).decode("ascii", "replace")
    if name in {"encv", "enca", "drmi", "drms"}:
        raise UnreadableError("is encrypted")
    track.codec = _CODECS.get(name, name.strip() if name.isprintable() and name.isascii() else "unknown")
    if track.handler == b"vide":
        track.width, track.height = struct.unpack(">HH", source.at(box.start + 40, 4))


def _keep_table(_source: Source, box: Box, track: Track) -> None:
    track.tables[box.kind] = box


_MOVIE_READERS: dict[bytes, Callable[[Source, Box, Movie], None]] = {
    b"mvhd": _read_mvhd,
    b"mehd": _read_mehd,
    b"trex": _read_trex,
}
_TRACK_READERS: dict[bytes, Callable[[Source, Box, Track], None]] = {
    b"tkhd": _read_tkhd,
    b"mdhd": _read_mdhd,
    b"hdlr": _read_hdlr,
    b"elst": _read_elst,
    b"stsd": _read_stsd,
    **dict.fromkeys((b"stsc", b"stsz", b"stco", b"co64"), _keep_table),
}


# -- is everything there?


def _check_whole(source: Source, tracks: list[Track]) -> None:
    """Each track's last sample must lie inside the file: a cut file's index is often complete."""
    end = max(_last_byte(source, track) for track in tracks)
    if end > source.size_bytes:
        raise UnreadableError(
            f"is cut off: its sample table ends at {end:,} but the file has {source.size_bytes:,} bytes"
        )


def _last_byte(source: Source, track: Track) -> int:
    offsets = track.tables.get(b"co64") or track.tables.get(b"stco")
    if not offsets:
        return 0
    width = 8 if offsets.kind == b"co64" else 4
    chunks = source.number(offsets.start + 4, 4)
    if not chunks:
        return 0
    last = source.number(_inside(offsets, offsets.start + 8 + width * (chunks - 1), width), width)
    return last + _last_chunk_bytes(source, track)


def _last_chunk_bytes(source: Source, track: Track) -> int:
    sizes, runs = track.tables.get(b"stsz"), track.tables.get(b"stsc")
    if not sizes or not runs:
        return 0
    entries = source.number(runs.start + 4, 4)
    each, samples = source.number(sizes.start + 4, 4), source.number(sizes.start + 8, 4)
    if not entries:
        return 0
    in_chunk = source.number(_inside(runs, runs.start + 8 + 12 * (entries - 1) + 4, 4), 4)
    in_chunk = min(in_chunk, samples, LAST_CHUNK_SAMPLES_MAX)
    if each or not in_chunk:
        return each * in_chunk
    first = _inside(sizes, sizes.start + 12 + 4 * (samples - in_chunk), 4 * in_chunk)
    return sum(struct.unpack(f">{in_chunk}I", source.at(first, 4 * in_chunk)))


def _inside(box: Box, offset: int, count: int) -> int:
    if offset < box.start or offset + count > box.end:
        raise UnreadableError("is a broken video: its sample table is longer than the box it lies in")
    return offset


# -- fragments: https://www.iso.org/standard/83102.html, 8.8

_BASE_OFFSET, _DESCRIPTION, _DEFAULT_DURATION = 0x01, 0x02, 0x08
_DATA_OFFSET, _FIRST_FLAGS, _DURATION = 0x01, 0x04, 0x100
_PER_SAMPLE = (0x100, 0x200, 0x400, 0x800)


def _count_fragments(source: Source, fragments: list[Box], movie: Movie) -> None:
    if movie.fragmented_duration:
        return
    counted: dict[int, int] = {}
    for fragment in fragments:
        for part in boxes(source, fragment.start, fragment.end):
            if part.kind == b"traf":
                number, duration = _fragment_duration(source, part, movie)
                counted[number] = counted.get(number, 0) + duration
    for track in movie.tracks:
        track.duration += counted.get(track.number, 0)


def _fragment_duration(source: Source, part: Box, movie: Movie) -> tuple[int, int]:
    number = default = total = 0
    for box in boxes(source, part.start, part.end):
        if box.kind == b"tfhd":
            flags, number = source.number(box.start + 1, 3), source.number(box.start + 4, 4)
            default = movie.sample_durations.get(number, 0)
            if flags & _DEFAULT_DURATION:
                before = (8 if flags & _BASE_OFFSET else 0) + (4 if flags & _DESCRIPTION else 0)
                default = source.number(box.start + 8 + before, 4)
        elif box.kind == b"trun":
            total += _run_duration(source, box, default)
    return number, total


def _run_duration(source: Source, box: Box, default: int) -> int:
    flags, count = source.number(box.start + 1, 3), source.number(box.start + 4, 4)
    if not flags & _DURATION:
        return count * default
    fields = sum(1 for flag in _PER_SAMPLE if flags & flag)
    start = box.start + 8 + (4 if flags & _DATA_OFFSET else 0) + (4 if flags & _FIRST_FLAGS else 0)
    table = source.at(_inside(box, start, 4 * fields * count), 4 * fields * count)
    return sum(struct.unpack(f">{fields * count}I", table)[::fields])
