import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.capabilities import make_plan
from bot.domain.requests import Camera, Request
from bot.domain.slots import SLOTS_MAX, Frame, Kind, Place, Slot, kind_of
from bot.providers.animatic.row import CAPABILITIES
from bot.providers.animatic.shots import SHOT_FRAMES_MIN, SHOWING_FRAMES_MIN, Shot, lay_sounds, plan_shots
from tests.providers.animatic.studio import place_of

EVERY: list[Place] = [Slot(kind=kind, number=n) for kind, most in SLOTS_MAX.items() for n in range(1, most + 1)]
ALL_PLACES = [*EVERY, Frame.FIRST, Frame.END]


def places(*names: str) -> list[Place]:
    return [place_of(name) for name in names]


def slot(name: str) -> Slot:
    found = place_of(name)
    assert isinstance(found, Slot)
    return found


def shown(shot: Shot) -> list[str]:
    return [str(showing.place) for showing in shot.showings]


def test_shot_marks_split_the_prompt_in_english_and_chinese() -> None:
    english = plan_shots("Shot 1: a cat. SHOT 2 (0-3s): a dog", 120, [])
    chinese = plan_shots("镜头1：一只猫。镜头2：一只狗", 120, [])  # noqa: RUF001 (as typed)
    assert [(shot.number, shot.words) for shot in english] == [(1, "a cat."), (2, "a dog")]
    assert [(shot.number, shot.words) for shot in chinese] == [(1, "一只猫。"), (2, "一只狗")]


def test_words_that_only_resemble_a_mark_split_nothing() -> None:
    assert len(plan_shots("A moonshot 1: up. One shot 2 of tea, screenshot 3: none", 120, [])) == 1


def test_a_shot_shows_what_its_text_mentions() -> None:
    first, second = plan_shots(
        "Shot 1: @Image2 wakes. Shot 2: @Video1, then @image1", 120, places("@Image1", "@Image2", "@Video1")
    )
    assert shown(first) == ["@Image2"]
    assert shown(second) == ["@Video1", "@Image1"]


def test_a_prompt_without_marks_goes_through_its_references_in_mention_order() -> None:
    (shot,) = plan_shots("@Image2 meets @Image1", 96, places("@Image1", "@Image2", "@Image3"))
    assert shown(shot) == ["@Image2", "@Image1", "@Image3"]
    assert [showing.frames for showing in shot.showings] == [32, 32, 32]


def test_unmentioned_references_are_spread_over_the_shots() -> None:
    shots = plan_shots("Shot 1: @Image1. Shot 2: rain. Shot 3: fog", 240, places("@Image1", "@Image2", "@Image3"))
    assert [shown(shot) for shot in shots] == [["@Image1"], ["@Image2"], ["@Image3"]]


def test_first_and_end_frame_stand_at_both_ends() -> None:
    shots = plan_shots("Shot 1: @Image1. Shot 2: @Image1", 240, places("first_frame", "end_frame", "@Image1"))
    assert [shown(shot) for shot in shots] == [["first_frame", "@Image1"], ["@Image1", "end_frame"]]


def test_a_shot_without_reference_has_a_card() -> None:
    shots = plan_shots("Shot 1: @Image1. Shot 2: nothing but rain", 120, places("@Image1"))
    assert [showing.place for showing in shots[1].showings] == [None]


def test_longer_text_takes_longer() -> None:
    short, long = plan_shots("Shot 1: rain. Shot 2: " + "the harbour in the morning " * 4, 240, [])
    assert long.frames > 1.5 * short.frames


def test_too_many_shots_are_merged_and_counted() -> None:
    shots = plan_shots(" ".join(f"Shot {n}: x" for n in range(1, 121)), 96, [])
    assert [shot.words for shot in shots] == ["x", "x", "x", "x", "+116 more"]
    assert all(shot.frames >= SHOT_FRAMES_MIN for shot in shots)
    twenty = plan_shots(" ".join(f"Shot {n}: x" for n in range(1, 21)), 96, [])
    assert [shot.words for shot in twenty] == ["x", "x", "x", "x", "+16 more"]


def test_words_before_the_first_mark_are_kept() -> None:
    first, _ = plan_shots("Grainy film. Shot 1: a cat. Shot 2: a dog", 120, [])
    assert first.words == "a cat. · Grainy film."


def test_camera_words_steer_their_shot() -> None:
    shots = plan_shots("Shot 1: pan left over it. Shot 2: a fixed camera. Shot 3: rain. Camera: dolly in.", 240, [])
    assert [shot.camera for shot in shots] == [Camera.PAN_LEFT, Camera.FIXED, Camera.DOLLY_IN]
    rain, folded = plan_shots("Shot 1: rain. Shot 2: fog. Camera: crane up.", 240, [])
    assert rain.camera is folded.camera is Camera.CRANE_UP


def test_the_camera_option_holds_where_a_shot_names_none_and_is_nobodys_words() -> None:
    rain, named, fog = plan_shots(
        "Shot 1: rain. Shot 2: pan left. Shot 3: fog. Camera: zoom in. Style: anime.", 240, []
    )
    assert [shot.camera for shot in (rain, named, fog)] == [Camera.ZOOM_IN, Camera.PAN_LEFT, Camera.ZOOM_IN]
    assert fog.words == "fog. Style: anime."
    _, last = plan_shots("Shot 1: rain. Shot 2: pan left. Fixed camera.", 240, [])
    assert (last.camera, last.words) == (Camera.PAN_LEFT, "pan left.")


@pytest.mark.parametrize("camera", Camera)
def test_every_camera_option_arrives(camera: Camera) -> None:
    request = Request(prompt="rain", camera=camera)
    plan = make_plan(request=request, stored=[], capabilities=CAPABILITIES, draw_seed=int)
    (shot,) = plan_shots(plan.prompt, 96, [])
    assert (shot.camera, shot.words) == (camera, "rain")


def test_a_sentence_that_only_resembles_the_option_stays() -> None:
    (shot,) = plan_shots("rain. Camera: old leica.", 96, [])
    assert (shot.camera, shot.words) == (None, "rain. Camera: old leica.")


_WORDS = st.sampled_from(["rain", "Shot 1:", "shot 2:", "镜头3：", "{x}", "@Image10x", "🎬", *map(str, EVERY)])  # noqa: RUF001


@settings(max_examples=120, deadline=None)
@given(
    words=st.lists(_WORDS, max_size=80),
    given_places=st.sets(st.sampled_from(ALL_PLACES)),
    seconds=st.integers(min_value=4, max_value=15),
)
def test_any_prompt_fills_its_frames_exactly_and_shows_everything(
    words: list[str], given_places: set[Place], seconds: int
) -> None:
    wanted = sorted(given_places, key=str)
    shots = plan_shots(" ".join(words), seconds * 24, wanted)
    showings = [showing for shot in shots for showing in shot.showings]
    at = 0
    for showing in showings:
        assert showing.start == at
        assert showing.frames >= SHOWING_FRAMES_MIN
        at += showing.frames
    assert at == seconds * 24 == sum(shot.frames for shot in shots)
    assert all(shot.frames >= SHOT_FRAMES_MIN for shot in shots)
    assert {showing.place for showing in showings} - {None} == {p for p in wanted if kind_of(p) is not Kind.AUDIO}
    sounds = {one: 5000 for one in wanted if isinstance(one, Slot) and one.kind is not Kind.IMAGE}
    laid = lay_sounds(shots, sounds)
    assert {one.slot for one in laid} == set(sounds)
    assert all(one.frames > 0 and one.start + one.frames <= seconds * 24 for one in laid)


def test_a_mentioned_sound_lies_under_its_shot() -> None:
    shots = plan_shots("Shot 1: rain. Shot 2: @Audio1 begins", 240, places("@Audio1"))
    (laid,) = lay_sounds(shots, {slot("@Audio1"): 3000})
    assert (laid.start, laid.frames) == (shots[1].start, 72)


def test_a_sound_of_neighbouring_shots_goes_on_instead_of_starting_again() -> None:
    shots = plan_shots("Shot 1: @Audio1. Shot 2: still @Audio1", 240, places("@Audio1"))
    (laid,) = lay_sounds(shots, {slot("@Audio1"): 9000})
    assert (laid.start, laid.frames) == (0, 216)


def test_unmentioned_sounds_follow_each_other_and_none_is_lost() -> None:
    names = ("@Audio1", "@Audio2", "@Audio3")
    shots = plan_shots("rain", 96, places(*names))
    laid = lay_sounds(shots, {slot(name): 5000 for name in names})
    assert [(one.start, one.frames) for one in laid] == [(0, 32), (32, 32), (64, 32)]


def test_the_sound_of_a_looped_clip_is_looped_with_it() -> None:
    shots = plan_shots("@Video1", 120, places("@Video1"))
    laid = lay_sounds(shots, {slot("@Video1"): 2000})
    assert [(one.start, one.frames, one.gain) for one in laid] == [(0, 48, 0.6), (48, 48, 0.6), (96, 24, 0.6)]
