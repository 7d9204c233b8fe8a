from collections.abc import Sequence

import pytest

from bot.domain.capabilities import Capabilities, make_plan, quote_micros
from bot.domain.errors import RequestError
from bot.domain.references import MEGABYTE, MediaInfo, Reference, ReferenceRules, StoredReference, check_declared
from bot.domain.request_errors import (
    AudioAloneError,
    OptionUnsupportedError,
    ReferenceDurationError,
    ReferenceKindError,
    ReferenceShapeError,
    ReferencesTotalError,
    ReferenceTooLargeError,
)
from bot.domain.requests import Aspect, Camera, Plan, Request, Style, Tier
from bot.domain.slots import Frame, Kind, Place, Slot
from bot.providers.unifically import CAPABILITIES as UNIFICALLY


def slot(kind: Kind, number: int = 1) -> Slot:
    return Slot(kind=kind, number=number)


def stored(place: Place, info: MediaInfo, size_bytes: int = 1000) -> StoredReference:
    reference = Reference(place=place, name="file", source="https://cdn.discordapp.com/f", declared_bytes=size_bytes)
    return StoredReference(reference=reference, sha256=f"{place}", size_bytes=size_bytes, info=info)


def picture(width: int = 1024, height: int = 768) -> MediaInfo:
    return MediaInfo(kind=Kind.IMAGE, format="png", width=width, height=height)


def clip(milliseconds: int = 5000, width: int = 1280, height: int = 720) -> MediaInfo:
    return MediaInfo(kind=Kind.VIDEO, format="mp4", width=width, height=height, duration_ms=milliseconds, codec="h264")


def sound(milliseconds: int = 5000) -> MediaInfo:
    return MediaInfo(kind=Kind.AUDIO, format="mp3", duration_ms=milliseconds)


def plan_of(request: Request, *references: StoredReference, row: Capabilities = UNIFICALLY) -> Plan:
    return make_plan(request=request, stored=references, capabilities=row, draw_seed=lambda: 7)


def test_unset_options_take_the_defaults_and_a_seed_is_drawn() -> None:
    plan = plan_of(Request(prompt="a fox"))
    assert (plan.tier, plan.duration_seconds, plan.aspect, plan.resolution, plan.sound, plan.seed) == (
        Tier.FAST,
        5,
        Aspect.WIDE,
        "720p",
        True,
        7,
    )
    assert quote_micros(plan, UNIFICALLY) == 400_000


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (Request(prompt="a fox", duration_seconds=16), r"a duration of 16 s; the nearest is 15 s"),
        (Request(prompt="a fox", duration_seconds=3), r"a duration of 3 s; the nearest is 4 s"),
        (Request(prompt="a fox", resolution="1080p"), r"resolution 1080p; it has 720p here"),
        (Request(prompt="a fox", tier=Tier.STANDARD), r"tier standard; it has fast or pro"),
        (Request(prompt="a fox", aspect=Aspect.ULTRAWIDE), r"aspect 21:9; it has 16:9, 9:16, 1:1 or 4:3"),
        (Request(prompt="a fox", negative_prompt="dogs"), "a negative prompt"),
        (Request(prompt="a fox", watermark=True), "a watermark"),
        (Request(prompt="a fox", web_search=True), "web search"),
    ],
)
def test_what_cannot_be_honoured_names_the_nearest(request_: Request, sentence: str) -> None:
    with pytest.raises(OptionUnsupportedError, match=sentence):
        plan_of(request_)


def test_a_silent_clip_cannot_have_audio_references_at_unifically() -> None:
    references = [stored(slot(Kind.IMAGE), picture()), stored(slot(Kind.AUDIO), sound())]
    with pytest.raises(OptionUnsupportedError, match="leave sound on, or leave the audio references out"):
        plan_of(Request(prompt="a fox", sound=False), *references)


def test_frames_and_numbered_references_exclude_each_other_at_unifically() -> None:
    references = [stored(Frame.FIRST, picture()), stored(slot(Kind.IMAGE), picture())]
    with pytest.raises(OptionUnsupportedError, match="use either frames or numbered references"):
        plan_of(Request(prompt="a fox"), *references)


def test_camera_and_style_without_a_field_become_words_and_are_noted() -> None:
    plan = plan_of(Request(prompt="a fox", camera=Camera.DOLLY_IN, style=Style.RENDER_3D))
    assert plan.prompt == "a fox Camera: dolly in. Style: 3D render."
    assert plan.notes == ("Said in the prompt: Camera: dolly in. Style: 3D render.",)


def test_no_watermark_and_no_search_constrain_nothing() -> None:
    assert plan_of(Request(prompt="a fox", watermark=False, web_search=False)).watermark is False


REFUSED: list[tuple[Sequence[StoredReference], type[RequestError], str]] = [
    ([stored(slot(Kind.IMAGE), picture(3000, 1000))], ReferenceShapeError, r"between 0.4 and 2.5"),
    ([stored(slot(Kind.IMAGE), sound())], ReferenceKindError, r"is MP3 audio, but this slot takes image"),
    (
        [stored(slot(Kind.VIDEO), clip(1900))],
        ReferenceDurationError,
        r"lasts 1.9 s; video references must last 2 to 15 s",
    ),
    (
        [stored(slot(Kind.VIDEO, n), clip(14_000)) for n in (1, 2, 3)],
        ReferencesTotalError,
        r"last 42.0 s together; 15 s is the most",
    ),
]
OFFERED: list[tuple[StoredReference, str, bool]] = [
    (stored(slot(Kind.IMAGE), picture(299, 400)), "enlarged from 299×400", True),
    (stored(slot(Kind.IMAGE), picture(400, 400)), "enlarged from 400×400 to 1024×1024", False),
    (stored(slot(Kind.IMAGE), picture(6001, 6000)), "6001×6000", True),
    (stored(slot(Kind.IMAGE), picture(), 31 * MEGABYTE), "31.0 MB", True),
    (stored(slot(Kind.VIDEO), clip(5000, 1920, 1080)), "1920×1080", True),
    (stored(slot(Kind.VIDEO), clip(16_000)), "15 s of 16", True),
]


@pytest.mark.parametrize(("references", "error", "sentence"), REFUSED)
def test_every_limit_on_references_is_named(
    references: Sequence[StoredReference], error: type[RequestError], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        plan_of(Request(prompt="a fox"), *references)


@pytest.mark.parametrize(("reference", "words", "is_needed"), OFFERED)
def test_what_only_needs_another_file_is_offered(reference: StoredReference, words: str, is_needed: bool) -> None:  # noqa: FBT001 -- a parameter of the table
    [change] = plan_of(Request(prompt="a fox"), reference).changes
    assert words in change.sentence
    assert change.is_needed is is_needed


@pytest.mark.parametrize("shape", [(600, 300), (6000, 6000), (512, 512)])
def test_the_bounds_themselves_pass(shape: tuple[int, int]) -> None:
    plan = plan_of(Request(prompt="a fox"), stored(slot(Kind.IMAGE), picture(*shape)))
    assert not any(change.is_needed for change in plan.changes)
    assert any("limit" in note for note in plan.notes) == (shape == (6000, 6000))


def test_fifteen_seconds_with_the_encoders_padding_pass() -> None:
    plan = plan_of(Request(prompt="a fox"), stored(slot(Kind.VIDEO), clip(15_023)))
    assert len(plan.references) == 1


def test_declared_sizes_and_audio_alone_are_refused_before_a_byte_is_copied() -> None:
    def declared(kind: Kind, size: int) -> Reference:
        return Reference(place=slot(kind), name="big.mp4", source="https://cdn.discordapp.com/b", declared_bytes=size)

    with pytest.raises(ReferenceTooLargeError, match=r"@Video1: big.mp4 has 400.0 MB; 200 MB is the most"):
        check_declared([declared(Kind.VIDEO, 400 * MEGABYTE)], ReferenceRules())
    with pytest.raises(AudioAloneError, match="at least one image or video"):
        check_declared([declared(Kind.AUDIO, 10)], ReferenceRules())
