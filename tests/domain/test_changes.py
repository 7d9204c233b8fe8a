"""What is offered instead of refused, what it says, and what is refused still."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bot.domain.changes import (
    Change,
    ChangeKind,
    after,
    all_after,
    change_from,
    changes_for,
    frame_notes,
    offered,
)
from bot.domain.errors import RequestError
from bot.domain.references import (
    COPY_BYTES_MAX,
    MEGABYTE,
    MediaInfo,
    Reference,
    ReferenceRules,
    StoredReference,
    check_declared,
    check_stored,
)
from bot.domain.request_errors import (
    ReferenceDurationError,
    ReferenceKindError,
    ReferenceShapeError,
    ReferencesTotalError,
    ReferenceTooLargeError,
)
from bot.domain.slots import Frame, Kind, Place, Slot

RULES = ReferenceRules()


def stored(
    place: Place, info: MediaInfo, *, name: str = "file", size_bytes: int = 1000, is_taken: bool = False
) -> StoredReference:
    reference = Reference(place=place, name=name, source="/a", declared_bytes=size_bytes, is_taken=is_taken)
    return StoredReference(reference=reference, sha256="0", size_bytes=size_bytes, info=info)


def image(width: int, height: int, *, image_format: str = "png") -> MediaInfo:
    return MediaInfo(kind=Kind.IMAGE, format=image_format, width=width, height=height, codec=image_format)


def clip(
    width: int = 1280,
    height: int = 720,
    *,
    milliseconds: int = 5_000,
    codec: str = "h264",
    container: str = "mp4",
) -> MediaInfo:
    return MediaInfo(
        kind=Kind.VIDEO, format=container, width=width, height=height, duration_ms=milliseconds, codec=codec
    )


def sound(milliseconds: int) -> MediaInfo:
    return MediaInfo(kind=Kind.AUDIO, format="mp3", duration_ms=milliseconds, codec="mp3", has_sound=True)


def slot(kind: Kind, number: int = 1) -> Slot:
    return Slot(kind=kind, number=number)


def only(info: MediaInfo, *, size_bytes: int = 1000, name: str = "file", rules: ReferenceRules = RULES) -> Change:
    """The one change of one file beside which nothing needs any."""
    company = stored(slot(Kind.IMAGE, 9), image(1024, 1024))
    changes, _ = offered([stored(slot(info.kind), info, size_bytes=size_bytes, name=name), company], rules)
    (change,) = changes
    return change


@pytest.mark.parametrize(
    ("info", "name", "sentence"),
    [
        (image(8000, 4000), "photo.png", "@Image1 photo.png: made smaller, 8000×4000 to 5998×2999 pixels."),
        (
            image(400, 400),
            "icon.png",
            "@Image1 icon.png: enlarged from 400×400 to 1024×1024; under 512 the result often disappoints.",
        ),
        (
            image(400, 400, image_format="gif"),
            "a.gif",
            (
                "@Image1 a.gif: enlarged from 400×400 to 1024×1024; under 512 the result often disappoints; "
                "if it moves, only its first picture stays."
            ),
        ),
        (clip(milliseconds=20_400), "walk.mov", "@Video1 walk.mov: cut to its first 15 s of 20.4 s."),
        (
            clip(1080, 1920, codec="hevc", container="mov", milliseconds=20_000),
            "IMG_1.MOV",
            (
                "@Video1 IMG_1.MOV: cut to its first 15 s of 20 s; converted from HEVC to H.264; "
                "scaled from 1080×1920 to 720×1280."
            ),
        ),
        (sound(16_000), "rain.mp3", "@Audio1 rain.mp3: cut to its first 15 s of 16 s."),
    ],
)
def test_the_card_says_what_will_be_done(info: MediaInfo, name: str, sentence: str) -> None:
    assert only(info, name=name).sentence == sentence


def test_too_many_bytes_are_said_in_bytes() -> None:
    change = only(image(3000, 3000), size_bytes=42 * MEGABYTE)
    assert change.sentence == "@Image1 file: made smaller, 42.0 MB to at most 30 MB."
    assert (change.width, change.height, change.bytes_max) == (3000, 3000, 30 * MEGABYTE)


def test_a_picture_the_provider_does_not_read_becomes_a_png() -> None:
    change = only(image(800, 600, image_format="bmp"), rules=ReferenceRules(image_formats=("jpeg", "png", "webp")))
    assert (change.kinds, change.format) == ((ChangeKind.CONVERT,), "png")
    assert change.sentence == "@Image1 file: converted from BMP to PNG."


def test_a_photograph_stays_a_jpeg() -> None:
    assert only(image(7000, 4000, image_format="jpeg")).format == "jpeg"


@pytest.mark.parametrize("side", [300, 511])
def test_enlarging_what_is_taken_anyway_is_left_to_the_requester(side: int) -> None:
    change = only(image(side, side))
    assert (change.kinds, change.is_needed) == ((ChangeKind.ENLARGE,), False)
    untouched = [stored(slot(Kind.IMAGE), image(side, side))]
    assert check_stored(all_after(untouched, []), RULES)


def test_enlarging_what_is_not_taken_is_needed() -> None:
    change = only(image(299, 400))
    assert (change.width, change.height, change.is_needed) == (1024, 1370, True)


def test_a_picture_of_512_is_left_alone() -> None:
    assert changes_for([stored(slot(Kind.IMAGE), image(512, 512))], RULES) == ()


@pytest.mark.parametrize(
    ("shape", "shape_after"),
    [
        ((1920, 1080), (1280, 720)),
        ((1080, 1920), (720, 1280)),
        ((3840, 2160), (1280, 720)),
        ((1440, 1080), (960, 720)),
        ((2520, 1080), (1470, 630)),
        ((640, 360), (854, 480)),
        ((2000, 2000), (720, 720)),
        ((320, 320), (640, 640)),
        ((1000, 400), (1200, 480)),
        ((3000, 1200), (1520, 608)),
    ],
)
def test_a_clip_is_scaled_to_the_nearest_shape_the_model_has(
    shape: tuple[int, int], shape_after: tuple[int, int]
) -> None:
    change = only(clip(*shape))
    assert (change.kinds, (change.width, change.height)) == ((ChangeKind.SCALE,), shape_after)


@pytest.mark.parametrize("shape", [(1280, 720), (720, 1280), (854, 480), (960, 960), (1112, 834), (864, 496)])
def test_the_models_own_shapes_are_left_alone(shape: tuple[int, int]) -> None:
    assert changes_for([stored(slot(Kind.VIDEO), clip(*shape))], RULES) == ()


def test_a_clip_with_the_encoders_padding_is_left_alone() -> None:
    assert changes_for([stored(slot(Kind.VIDEO), clip(milliseconds=15_023))], RULES) == ()


def test_an_odd_clip_gets_even_sides() -> None:
    change = only(clip(853, 481, codec="hevc"))
    assert (change.width, change.height) == (852, 480)


def test_a_provider_that_takes_hevc_gets_it() -> None:
    rules = ReferenceRules(video_codecs=("h264", "hevc"))
    assert changes_for([stored(slot(Kind.VIDEO), clip(codec="hevc"))], rules) == ()


def test_a_frame_taken_from_a_clip_is_never_changed_nor_advised() -> None:
    taken = [stored(Frame.FIRST, image(480, 480), is_taken=True)]
    assert offered(taken, RULES) == ((), tuple(taken))
    assert check_stored(taken, RULES) == []
    large = [stored(Frame.FIRST, image(7000, 4000), is_taken=True)]
    with pytest.raises(ReferenceShapeError, match="at most 6000"):
        offered(large, RULES)


# -- several together


def lengths_of(*milliseconds: int) -> list[int]:
    clips = [stored(slot(Kind.VIDEO, number), clip(milliseconds=one)) for number, one in enumerate(milliseconds, 1)]
    _, predicted = offered(list(reversed(clips)), RULES)
    return [one.info.duration_ms for one in reversed(predicted)]


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        ((8_000, 8_000), [8_000, 7_000]),
        ((15_000, 15_000), [7_500, 7_500]),
        ((6_000, 6_000, 6_000), [6_000, 6_000, 3_000]),
        ((9_000, 4_000, 4_000), [9_000, 4_000, 2_000]),
        ((9_000, 6_000, 3_000), [9_000, 4_000, 2_000]),
        ((30_000,), [15_000]),
        ((7_540, 7_550), [7_540, 7_550]),
    ],
)
def test_the_last_ones_are_cut_when_all_are_too_long_together(
    milliseconds: tuple[int, ...], expected: list[int]
) -> None:
    assert lengths_of(*milliseconds) == expected


def test_where_too_little_would_remain_it_is_refused() -> None:
    with pytest.raises(ReferencesTotalError, match=r"last 45.0 s together"):
        lengths_of(15_000, 15_000, 15_000)


def test_clips_and_sounds_are_counted_apart() -> None:
    both = [stored(slot(Kind.VIDEO), clip(milliseconds=10_000)), stored(slot(Kind.AUDIO), sound(10_000))]
    assert offered(both, RULES)[0] == ()


# -- refused still

MENDLESS: list[tuple[StoredReference, type[RequestError], str]] = [
    (stored(slot(Kind.IMAGE), sound(5_000)), ReferenceKindError, "is MP3 audio, but this slot takes image"),
    (stored(slot(Kind.VIDEO), image(640, 640)), ReferenceKindError, "is PNG image, but this slot takes video"),
    (stored(slot(Kind.IMAGE), image(8000, 1000)), ReferenceShapeError, "8000×1000; width to height must lie between"),
    (stored(slot(Kind.IMAGE), image(100, 600)), ReferenceShapeError, "100×600; width to height must lie between"),
    (stored(slot(Kind.VIDEO), clip(milliseconds=1_999)), ReferenceDurationError, "must last 2 to 15 s"),
    (stored(slot(Kind.IMAGE), image(50_000, 50_000)), ReferenceShapeError, "50000×50000; each side may have at most"),
    (stored(slot(Kind.VIDEO), clip(8192, 8192)), ReferenceShapeError, "8192×8192; each side may have at most"),
    (stored(slot(Kind.VIDEO), clip(codec="xyz1")), ReferenceKindError, "is MP4 video in xyz1, but this slot takes"),
    (stored(slot(Kind.VIDEO), clip(codec="")), ReferenceKindError, "in an unknown codec, but"),
]


@pytest.mark.parametrize(("one", "error", "sentence"), MENDLESS)
def test_what_nothing_mends_is_refused(one: StoredReference, error: type[RequestError], sentence: str) -> None:
    company = stored(slot(Kind.IMAGE, 9), image(1024, 1024))
    with pytest.raises(error, match=sentence):
        offered([one, company], RULES)


UNMENDED: list[tuple[StoredReference, type[RequestError], str]] = [
    (stored(slot(Kind.IMAGE), image(299, 400)), ReferenceShapeError, "299×400; each side must have at least 300"),
    (stored(slot(Kind.IMAGE), image(6001, 6000)), ReferenceShapeError, "6001×6000; each side may have at most 6000"),
    (
        stored(slot(Kind.IMAGE), image(800, 600), size_bytes=31 * MEGABYTE),
        ReferenceTooLargeError,
        "31.0 MB; 30 MB is the most",
    ),
    (stored(slot(Kind.VIDEO), clip(1920, 1080)), ReferenceShapeError, "must be 480p or 720p"),
    (stored(slot(Kind.VIDEO), clip(milliseconds=15_101)), ReferenceDurationError, "must last 2 to 15 s"),
    (stored(slot(Kind.AUDIO), sound(16_000)), ReferenceDurationError, "@Audio1: file lasts 16.0 s"),
    (
        stored(slot(Kind.VIDEO), clip(codec="hevc", container="mov")),
        ReferenceKindError,
        r"is MOV video in hevc, .* \(mp4, mov in h264\)",
    ),
]


@pytest.mark.parametrize(("one", "error", "sentence"), UNMENDED)
def test_the_last_check_refuses_what_was_offered_but_not_done(
    one: StoredReference, error: type[RequestError], sentence: str
) -> None:
    company = stored(slot(Kind.IMAGE, 9), image(1024, 1024))
    assert offered([one, company], RULES)[0]
    with pytest.raises(error, match=sentence):
        check_stored([one, company], RULES)


@pytest.mark.parametrize(("kind", "most"), COPY_BYTES_MAX.items())
def test_more_is_copied_than_a_provider_takes_but_not_everything(kind: Kind, most: int) -> None:
    assert most > RULES.bytes_max(kind)
    one = Reference(place=slot(kind), name="big", source="/a", declared_bytes=most)
    company = Reference(place=slot(Kind.IMAGE, 9), name="small", source="/a", declared_bytes=1)
    check_declared([one, company], RULES)
    with pytest.raises(ReferenceTooLargeError, match=f"{most // MEGABYTE} MB is the most"):
        check_declared([replace(one, declared_bytes=most + MEGABYTE), company], RULES)


# -- always


@example(width=11_000, height=12_000, size_bytes=1, image_format="webp")
@given(
    width=st.integers(1, 12_000),
    height=st.integers(1, 12_000),
    size_bytes=st.integers(1, 100 * MEGABYTE),
    image_format=st.sampled_from(RULES.image_formats),
)
def test_a_picture_is_refused_for_its_ratio_or_its_pixels_alone(
    width: int, height: int, size_bytes: int, image_format: str
) -> None:
    one = stored(slot(Kind.IMAGE), image(width, height, image_format=image_format), size_bytes=size_bytes)
    rules = ReferenceRules(image_formats=("jpeg", "png"))
    try:
        changes, predicted = offered([one], rules)
    except (ReferenceShapeError, ReferenceKindError):
        assert not 0.4 <= width / height <= 2.5 or width * height > 120_000_000
    else:
        assert changes_for(predicted, rules) == ()
        assert all_after([one], changes) == predicted


@given(width=st.integers(64, 4096), height=st.integers(64, 4096), milliseconds=st.integers(2_000, 100_000))
def test_a_clip_is_refused_for_its_ratio_alone(width: int, height: int, milliseconds: int) -> None:
    one = stored(slot(Kind.VIDEO), clip(width, height, milliseconds=milliseconds, codec="hevc"))
    try:
        changes, predicted = offered([one], RULES)
    except ReferenceShapeError:
        assert not 0.4 <= width / height <= 2.5
    else:
        assert (predicted[0].info.width % 2, predicted[0].info.height % 2) == (0, 0)
        assert predicted[0].info.codec == "h264"
        assert all_after([one], changes) == predicted


@pytest.mark.parametrize(
    "one",
    [
        stored(Frame.END, image(8000, 4000)),
        stored(slot(Kind.VIDEO, 3), clip(milliseconds=20_000, codec="hevc")),
        stored(slot(Kind.AUDIO), sound(20_000)),
    ],
)
def test_a_change_outlives_json(one: StoredReference) -> None:
    (change,) = changes_for([one], RULES)
    assert change_from(change.as_json()) == change
    adapter = TypeAdapter(Change)
    assert adapter.validate_json(adapter.dump_json(change)) == change


def test_the_hash_stays_the_originals_until_the_file_is_made() -> None:
    one = stored(slot(Kind.IMAGE), image(7000, 3500), size_bytes=50 * MEGABYTE)
    (change,) = changes_for([one], RULES)
    predicted = after(one, change)
    assert (predicted.sha256, predicted.size_bytes) == ("0", 30 * MEGABYTE)
    assert (predicted.info.width, predicted.info.height) == (5998, 2999)


@pytest.mark.parametrize(
    ("end", "is_cropped"), [((1600, 900), False), ((1598, 910), False), ((900, 1600), True), ((1600, 1000), True)]
)
def test_an_end_frame_of_another_shape_is_noted(end: tuple[int, int], is_cropped: bool) -> None:  # noqa: FBT001 (a case)
    frames = [stored(Frame.FIRST, image(1280, 720)), stored(Frame.END, image(*end))]
    note = "The end frame will be cropped to the first frame's shape."
    assert frame_notes(frames) == ((note,) if is_cropped else ())
    assert frame_notes(frames[:1]) == ()
