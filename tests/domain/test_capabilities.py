from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.domain.capabilities import (
    Capabilities,
    Frames,
    Option,
    Transport,
    make_plan,
    quote_micros,
    rendered_prompt,
)
from bot.domain.errors import RequestError
from bot.domain.prompts import PromptAdvice
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


# -- what a row may say


def test_a_set_of_lengths_names_the_nearest_and_the_usual_one_is_taken() -> None:
    row = replace(UNIFICALLY, durations=(6, 10))
    with pytest.raises(OptionUnsupportedError, match="a duration of 7 s; the nearest is 6 s"):
        plan_of(Request(prompt="a fox", duration_seconds=7), row=row)
    plan = plan_of(Request(prompt="a fox"), row=row)
    assert (plan.duration_seconds, plan.notes) == (6, ("Unifically has no 5 s clips; 6 s is made instead.",))


def test_a_resolution_of_another_tier_is_named() -> None:
    fast, pro = UNIFICALLY.tiers[Tier.FAST], replace(UNIFICALLY.tiers[Tier.PRO], resolutions=("1080p",))
    row = replace(UNIFICALLY, tiers={Tier.FAST: fast, Tier.PRO: pro})
    with pytest.raises(OptionUnsupportedError, match=r"it has 720p here, and 1080p in pro\.$"):
        plan_of(Request(prompt="a fox", resolution="1080p"), row=row)
    with pytest.raises(OptionUnsupportedError, match=r"it has 720p here, and 1080p in pro\.$"):
        plan_of(Request(prompt="a fox", resolution="4k"), row=row)
    for resolution in ("480p", "900p"):
        with pytest.raises(OptionUnsupportedError, match=r"it has 720p here\.$"):
            plan_of(Request(prompt="a fox", resolution=resolution), row=row)


def test_a_silent_provider_says_so_and_refuses_sound() -> None:
    row = replace(UNIFICALLY, sound_available=False)
    plan = plan_of(Request(prompt="a fox"), row=row)
    assert (plan.sound, plan.notes) == (False, ("Unifically makes silent clips.",))
    assert plan_of(Request(prompt="a fox", sound=False), row=row).notes == ()
    with pytest.raises(OptionUnsupportedError, match="cannot do sound"):
        plan_of(Request(prompt="a fox", sound=True), row=row)


def test_sound_that_cannot_be_switched_off_is_not_silent() -> None:
    row = replace(UNIFICALLY, sound_switchable=False)
    assert plan_of(Request(prompt="a fox"), row=row).sound
    with pytest.raises(OptionUnsupportedError, match="a silent clip"):
        plan_of(Request(prompt="a fox", sound=False), row=row)


def test_references_are_counted_per_kind_and_in_total() -> None:
    references = [stored(slot(Kind.IMAGE, n), picture()) for n in (1, 2, 3)]
    plan_of(Request(prompt="a fox"), *references, row=replace(UNIFICALLY, references_total_max=3))
    with pytest.raises(OptionUnsupportedError, match="3 references together; 2 is the most"):
        plan_of(Request(prompt="a fox"), *references, row=replace(UNIFICALLY, references_total_max=2))
    with pytest.raises(OptionUnsupportedError, match=r"cannot do 3 image references; 2 is the most\.$"):
        plan_of(Request(prompt="a fox"), *references, row=replace(UNIFICALLY, references_max={Kind.IMAGE: 2}))


def test_references_are_weighed_together() -> None:
    references = [stored(slot(Kind.IMAGE, n), picture(), 6 * MEGABYTE) for n in (1, 2)]
    plan_of(Request(prompt="a fox"), *references, row=replace(UNIFICALLY, references_bytes_max=12 * MEGABYTE))
    with pytest.raises(OptionUnsupportedError, match=r"references of 12.0 MB together; 11 MB is the most"):
        plan_of(Request(prompt="a fox"), *references, row=replace(UNIFICALLY, references_bytes_max=11 * MEGABYTE))


def test_sound_alone_is_refused_where_it_needs_a_picture() -> None:
    reference = stored(slot(Kind.AUDIO), sound())
    with pytest.raises(AudioAloneError):
        plan_of(Request(prompt="a fox"), reference)
    plan_of(Request(prompt="a fox"), reference, row=replace(UNIFICALLY, audio_needs_visual=False))


@pytest.mark.parametrize(
    ("frames", "refused"),
    [
        (Frames(first=False, end=False), "a first frame; attach the picture as @Image1 instead"),
        (Frames(end=False), "an end frame"),
    ],
)
def test_frames_that_it_does_not_take_are_refused(frames: Frames, refused: str) -> None:
    references = [stored(Frame.FIRST, picture()), stored(Frame.END, picture())]
    with pytest.raises(OptionUnsupportedError, match=f"cannot do {refused}"):
        plan_of(Request(prompt="a fox"), *references, row=replace(UNIFICALLY, frames=frames))


def test_what_has_a_field_stands_in_the_plan_and_not_in_the_prompt() -> None:
    request = Request(
        prompt="a fox", camera=Camera.PAN_LEFT, style=Style.ANIME, negative_prompt="dogs", web_search=True
    )
    options = frozenset({Option.CAMERA, Option.STYLE, Option.NEGATIVE_PROMPT, Option.WEB_SEARCH})
    plan = plan_of(request, row=replace(UNIFICALLY, options=options))
    assert (plan.prompt, plan.camera, plan.style) == ("a fox", Camera.PAN_LEFT, Style.ANIME)
    assert (plan.negative_prompt, plan.web_search, plan.seed) == ("dogs", True, None)


@pytest.mark.parametrize(
    ("options", "camera", "has_frame", "has_field"),
    [
        ({Option.CAMERA}, Camera.FIXED, False, False),
        ({Option.CAMERA_FIXED}, Camera.FIXED, False, True),
        ({Option.CAMERA_FIXED}, Camera.ZOOM_IN, False, False),
        ({Option.CAMERA_WITH_FRAME}, Camera.ZOOM_IN, False, False),
        ({Option.CAMERA_WITH_FRAME}, Camera.ZOOM_IN, True, True),
    ],
)
def test_camera_has_a_field_or_words(options: set[Option], camera: Camera, *, has_frame: bool, has_field: bool) -> None:
    references = [stored(Frame.FIRST, picture())] if has_frame else []
    plan = plan_of(
        Request(prompt="a fox", camera=camera), *references, row=replace(UNIFICALLY, options=frozenset(options))
    )
    assert (plan.camera is camera, plan.prompt == "a fox") == (has_field, has_field)


def test_a_prompt_has_a_length() -> None:
    row = replace(UNIFICALLY, prompt_chars_max=10, negative_prompt_chars_max=4, options=frozenset(Option))
    plan_of(Request(prompt="a fox runs", negative_prompt="dogs"), row=row)
    with pytest.raises(OptionUnsupportedError, match="a prompt of 11 characters; 10 is the most"):
        plan_of(Request(prompt="a fox jumps"), row=row)
    with pytest.raises(OptionUnsupportedError, match="a negative prompt of 5 characters; 4 is the most"):
        plan_of(Request(prompt="a fox", negative_prompt="birds"), row=row)


@pytest.mark.parametrize(
    ("prompt", "advice"),
    [
        ("狐狸跑", None),
        ("狐狸跑了", "at most 3 Chinese characters; this prompt has 4."),
        ("狐a狸b跑", None),
        ("a fox runs", "at most 2 words; this prompt has 3."),
    ],
)
def test_advice_on_length_is_a_note(prompt: str, advice: str | None) -> None:
    row = replace(UNIFICALLY, prompt_advice=PromptAdvice(cjk_chars=3, words=2))
    notes = plan_of(Request(prompt=prompt), row=row).notes
    assert notes == ((f"Unifically advises {advice}",) if advice else ())


def test_mentions_count_what_is_sent_in_the_rows_own_words() -> None:
    references = [stored(slot(Kind.IMAGE, n), picture()) for n in (2, 5)]
    request = Request(prompt="@Image5 and @image2", references=tuple(one.reference for one in references))
    plan = plan_of(request, *references)
    for template, words in (("[{kind} {number}]", "[Image 2] and [Image 1]"), (None, "Image 2 and Image 1")):
        assert rendered_prompt(plan, replace(UNIFICALLY, mention_template=template)) == words


def test_a_link_is_needed_where_nothing_else_is_taken() -> None:
    row = replace(
        UNIFICALLY,
        transports={Kind.IMAGE: (Transport.LINK, Transport.BASE64), Kind.VIDEO: (Transport.LINK,)},
    )
    assert [(row.takes_link(kind), row.needs_link(kind)) for kind in Kind] == [
        (True, False),
        (True, True),
        (False, False),
    ]
