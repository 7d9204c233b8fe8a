import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from bot.domain.requests import Aspect, Camera
from bot.media.reading import UnreadableError
from bot.providers.animatic.moves import move_for
from bot.providers.animatic.order import RASTERS
from bot.providers.animatic.pictures import picture_of
from bot.providers.animatic.shots import Showing
from tests.providers.animatic.studio import (
    RATE,
    SAMPLES,
    Film,
    Rgb,
    bare,
    best_lag,
    clip,
    colour_of,
    covered,
    film,
    likeness,
    loudness_at,
    picture,
    place_of,
    plan_of,
    psnr,
    read_film,
    read_sound,
    render_plan,
    still_clip,
    tone,
)

CAT, COFFEE, ROCKET = SAMPLES / "cat.jpg", SAMPLES / "coffee.jpg", SAMPLES / "rocket.jpg"
DRIFT, MOOD = SAMPLES / "drift.mp4", SAMPLES / "mood.mp3"
IN_TWO_SHOTS = "Shot 1: @Image1 wakes up. Shot 2: @Video1, and @Audio1 under it"


@pytest.fixture(scope="module")
def two_shots(tmp_path_factory: pytest.TempPathFactory) -> Film:
    references = {"@Image1": CAT, "@Video1": DRIFT, "@Audio1": MOOD}
    plan = plan_of(IN_TWO_SHOTS, references, seconds=7, resolution="720p")
    return film(plan, tmp_path_factory.mktemp("film"))


DISSOLVED = 7
SECOND_SHOT = 77  # of 168 frames 18 for each shot, and 132 by the weights 24 (the least) and 29


def check_shape(made: Film, seconds: int, size: tuple[int, int]) -> None:
    assert len(made.frames) == 24 * seconds
    assert made.frames[0].shape[:2] == (size[1], size[0])
    assert size[0] % 2 == size[1] % 2 == 0
    assert made.codecs == ("h264", "aac")
    assert made.pixel_format == "yuv420p"
    assert made.rate == 24
    assert made.boxes.index(b"moov") < made.boxes.index(b"mdat")
    assert made.sound is not None
    assert abs(len(made.sound) / RATE - seconds) < 0.03


@pytest.mark.parametrize("aspect", [one for one in RASTERS["480p"] if one is not Aspect.TALL])  # tall: below
def test_every_aspect_gives_the_exact_frames_and_shape(aspect: Aspect, tmp_path: Path) -> None:
    made = film(plan_of("Shot 1: @Image1. Shot 2: rain", {"@Image1": CAT}, aspect=aspect), tmp_path)
    check_shape(made, 4, RASTERS["480p"][aspect])


def test_the_longest_clip_has_the_exact_frames(tmp_path: Path) -> None:
    check_shape(film(plan_of("rain on a tin roof", {}, seconds=15), tmp_path), 15, (854, 480))


def test_an_odd_duration_has_the_exact_frames(two_shots: Film) -> None:
    check_shape(two_shots, 7, (1280, 720))


def test_a_raster_whose_sides_are_no_whole_blocks_holds(tmp_path: Path) -> None:
    made = film(plan_of("rain", {}, aspect=Aspect.ULTRAWIDE, resolution="720p"), tmp_path)
    check_shape(made, 4, (1470, 630))


def test_the_largest_raster_has_the_exact_frames(tmp_path: Path) -> None:
    check_shape(film(plan_of("rain", {}, resolution="1080p"), tmp_path), 4, (1920, 1080))


def test_rasters_have_the_shape_they_are_named_for() -> None:
    for rasters in RASTERS.values():
        for aspect, (width, height) in rasters.items():
            across, down = map(int, aspect.value.split(":"))
            assert abs(width / height / (across / down) - 1) < 0.025


def test_auto_takes_the_shape_nearest_to_the_first_frame(tmp_path: Path) -> None:
    tall = picture(tmp_path / "tall.png", (90, 40, 20), (600, 1000))
    made = film(plan_of("rain", {"first_frame": tall, "@Image1": CAT}, aspect=Aspect.AUTO), tmp_path)
    assert made.frames[0].shape[:2] == (854, 480)


# -- pictures


def test_the_shot_of_a_clip_plays_that_clip_in_real_time(two_shots: Film) -> None:
    drift = read_film(DRIFT)
    for at in (DISSOLVED, 20, 50):
        mine = two_shots.frames[SECOND_SHOT + at]
        right, late = likeness(mine, drift.frames[at]), likeness(mine, drift.frames[at + 2])
        assert right > 0.97
        assert right > late
    assert likeness(two_shots.frames[SECOND_SHOT - 1], drift.frames[0]) < 0.3


def test_shots_dissolve_into_each_other(two_shots: Film) -> None:
    """Each frame of the joint is further from the old shot and nearer to the new, with no jump at either end."""
    joint = [bare(frame).astype(np.float64) for frame in two_shots.frames[SECOND_SHOT - 1 : SECOND_SHOT + DISSOLVED]]
    left = [float(np.mean(abs(frame - joint[0]))) for frame in joint]
    assert left == sorted(left)
    steps = np.diff(left)
    assert steps[0] < steps.max() > steps[-1]
    assert steps.max() < 0.35 * left[-1]


def test_the_shot_of_a_still_shows_it_and_moves(two_shots: Film) -> None:
    cat = covered(CAT, (1280, 720))
    alike = [likeness(frame, cat) for frame in two_shots.frames[:SECOND_SHOT]]
    assert max(alike[0], alike[-1]) > 0.97
    assert min(alike) < 0.9


def test_a_slow_move_is_smooth(two_shots: Film) -> None:
    frames = [bare(frame).astype(np.float64) for frame in two_shots.frames[20:48]]
    steps = [float(np.mean(abs(after - before))) for before, after in pairwise(frames)]
    bends = np.abs(np.diff(steps))
    assert np.mean(bends) / np.mean(steps) < 0.15


def test_a_slow_zoom_is_even_before_it_is_encoded() -> None:
    """In the middle of its way, where easing has it at nearly one speed."""
    noise = Image.effect_noise((736, 414), 90).filter(ImageFilter.GaussianBlur(1.5))
    canvas = picture_of(noise.convert("RGB"))
    move = move_for(Showing(place=place_of("@Image1"), start=0, frames=240), Camera.ZOOM_IN, 0)
    boxes = [move.at(index / 239).box(canvas.size) for index in range(100, 140)]
    seen = [np.asarray(canvas.cut(box, (640, 360)).planes[0], np.float64) for box in boxes]
    steps = [float(np.mean(abs(after - before))) for before, after in pairwise(seen)]
    assert np.std(steps) / np.mean(steps) <= 0.1


def test_words_and_the_mark_are_burnt_in(two_shots: Film) -> None:
    corner, foot = two_shots.frames[30][20:60, 20:420], two_shots.frames[30][-110:-20, 30:1000]
    assert corner.min(axis=2).max() > 215
    assert foot.min(axis=2).max() > 225
    assert np.median(foot) < 90


def test_a_short_clip_is_looped(tmp_path: Path) -> None:
    grey = [Image.new("RGB", (640, 480), (4 * n, 4 * n, 4 * n)) for n in range(48)]
    made = film(plan_of("@Video1", {"@Video1": clip(tmp_path / "ramp.mp4", grey)}), tmp_path)
    levels = [colour_of(frame)[0] for frame in made.frames]
    assert abs(levels[10] - 40) < 6
    assert abs(levels[40] - 160) < 6
    assert abs(levels[58] - levels[10]) < 3


def is_red(pixel: Rgb) -> bool:
    return bool(pixel[0] > 160 and pixel[2] < 80)


def is_blue(pixel: Rgb) -> bool:
    return bool(pixel[2] > 160 and pixel[0] < 80)


def test_a_turned_clip_is_shown_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (640, 480), (20, 20, 220))
    image.paste((220, 20, 20), (0, 0, 640, 240))
    path = clip(tmp_path / "turned.mp4", [image] * 48)
    # The track's matrix, turned clockwise by a quarter: the coded top is shown at the right.
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 480 << 16, 0, 1 << 30)
    path.write_bytes(data)
    frame = film(plan_of("@Video1", {"@Video1": path}, aspect=Aspect.PORTRAIT), tmp_path).frames[12]
    row = frame[frame.shape[0] // 3]
    assert is_red(row[-80])
    assert is_blue(row[80])


def test_a_picture_turned_by_its_tag_is_shown_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (640, 480), (20, 20, 220))
    image.paste((220, 20, 20), (0, 0, 320, 480))
    tag = Image.Exif()
    tag[0x0112] = 3
    image.save(tmp_path / "turned.jpg", exif=tag)
    frame = film(plan_of("rain", {"@Image1": tmp_path / "turned.jpg"}, aspect=Aspect.CLASSIC), tmp_path).frames[12]
    assert is_blue(frame[200][60])


def test_a_still_of_another_shape_is_shown_whole(tmp_path: Path) -> None:
    image = Image.new("RGB", (600, 600), (230, 230, 40))
    image.paste((30, 60, 200), (30, 30, 570, 570))
    image.save(tmp_path / "square.png")
    made = film(plan_of("Fixed camera.", {"@Image1": tmp_path / "square.png"}, aspect=Aspect.TALL), tmp_path)
    row = made.frames[40][432]
    assert row[5][2] < 110 < row[5][0]
    assert row[-5][2] < 110 < row[-5][0]


# -- the camera


WAYS = {
    # How the middle of the picture moves on the screen: across, down; and how it grows, from first to last frame.
    Camera.DOLLY_IN: (0, -1, 1),
    Camera.DOLLY_OUT: (0, 1, -1),
    Camera.ZOOM_IN: (0, 0, 1),
    Camera.ZOOM_OUT: (0, 0, -1),
    Camera.PAN_LEFT: (1, 0, 0),
    Camera.PAN_RIGHT: (-1, 0, 0),
    Camera.TILT_UP: (0, 1, 0),
    Camera.TILT_DOWN: (0, -1, 0),
    Camera.CRANE_UP: (0, 1, -1),
    Camera.CRANE_DOWN: (0, -1, 1),
    Camera.ORBIT_LEFT: (1, 0, 0),
    Camera.ORBIT_RIGHT: (-1, 0, 0),
    Camera.FIXED: (0, 0, 0),
}


def square_at(frame: Rgb) -> tuple[float, float, float]:
    """Where the red square is and how large its side."""
    rows, columns = np.nonzero((frame[:, :, 0] > 150) & (frame[:, :, 2] < 90))
    return float(columns.mean()), float(rows.mean()), float(np.sqrt(len(rows)))


@pytest.fixture(scope="module")
def square(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = Image.new("RGB", (960, 540), (60, 70, 200))
    image.paste((230, 30, 30), (430, 220, 530, 320))
    image.save(path := tmp_path_factory.mktemp("square") / "square.png")
    return path


@pytest.mark.parametrize("camera", Camera)
def test_every_camera_motion_goes_its_own_way(camera: Camera, square: Path, tmp_path: Path) -> None:
    words = "Fixed camera." if camera is Camera.FIXED else f"Camera: {camera.value.replace('_', ' ')}."
    frames = film(plan_of(f"it stands there {words}", {"@Image1": square}), tmp_path).frames
    first, middle, last = (square_at(frames[at]) for at in (0, 48, -1))
    moved = [after - before for before, after in zip(first, last, strict=True)]
    assert tuple(int(np.sign(one)) if abs(one) > 6 else 0 for one in moved) == WAYS[camera]
    bowed = middle[1] - (first[1] + last[1]) / 2
    assert (bowed > 45) == (camera in {Camera.ORBIT_LEFT, Camera.ORBIT_RIGHT})
    assert (abs(moved[2]) > 20) == camera.value.startswith(("dolly", "crane"))
    # It sets out and arrives slowly.
    steps = [np.hypot(*np.subtract(square_at(b), square_at(a))[:2]) for a, b in pairwise(frames[::8])]
    assert camera not in {Camera.PAN_LEFT, Camera.TILT_UP} or steps[0] < 0.6 * max(steps) > steps[-1]


def test_a_card_moves_behind_its_words(tmp_path: Path) -> None:
    frames = film(plan_of("rain Camera: pan left.", {}), tmp_path).frames
    first, last = (frame.astype(np.float64).mean(axis=2) for frame in (frames[0], frames[-1]))
    words = first > 200
    block = slice(100, 400), slice(0, 400)
    assert words[block].sum() > 500
    assert np.mean(words[block] != (last > 200)[block]) < 0.1 * words[block].mean()
    assert np.abs(last - first)[100:400, 450:].mean() > 3


# -- first and end frame


@pytest.mark.parametrize("aspect", [Aspect.WIDE, Aspect.TALL])
def test_first_and_last_frame_equal_their_inputs(aspect: Aspect, tmp_path: Path) -> None:
    references = {"first_frame": ROCKET, "end_frame": COFFEE, "@Image1": CAT, "@Video1": DRIFT}
    made = film(plan_of("Shot 1: @Video1 begins. Shot 2: the end", references, aspect=aspect), tmp_path)
    size = RASTERS["480p"][aspect]
    assert psnr(made.frames[0], covered(ROCKET, size)) > 30
    assert psnr(made.frames[-1], covered(COFFEE, size)) > 30


def test_the_mark_is_back_within_a_third_of_a_second(tmp_path: Path) -> None:
    black = picture(tmp_path / "black.png", (0, 0, 0))
    made = film(plan_of("rain", {"first_frame": black, "end_frame": black}), tmp_path)
    assert made.frames[0].max() < 24 > made.frames[-1].max()
    for at in (8, 48, len(made.frames) - 9):
        assert made.frames[at][20:60, 20:320].max() > 200


# -- everything given is there


COLOURS = [
    *((220, 30, 30), (30, 200, 40), (40, 60, 230), (230, 210, 40), (210, 50, 210), (40, 210, 210)),
    *((235, 235, 235), (20, 20, 20), (128, 128, 128), (240, 130, 30), (110, 50, 10), (20, 90, 60)),
]
HERTZ = (440.0, 1130.0, 2090.0)


@pytest.mark.parametrize(
    "prompt",
    [
        "all of it at once",
        "Shot 1: @Image1 @Image2 @Image3 @Video1, @Audio3. Shot 2: @Image9. Shot 3: rain. Shot 4: fog. Shot 5: @Video2",
    ],
)
def test_all_fifteen_references_are_seen_and_heard_in_four_seconds(prompt: str, tmp_path: Path) -> None:
    names = [*(f"@Image{n}" for n in range(1, 10)), *(f"@Video{n}" for n in range(1, 4))]
    references = {
        name: picture(tmp_path / f"{name[1:]}.png", colour)
        if "Image" in name
        else still_clip(tmp_path / f"{name[1:]}.mp4", colour)
        for name, colour in zip(names, COLOURS, strict=True)
    }
    references |= {f"@Audio{n}": tone(tmp_path / f"{n}.wav", hertz) for n, hertz in enumerate(HERTZ, start=1)}
    made = film(plan_of(prompt, references), tmp_path)
    seen = [colour_of(frame) for frame in made.frames]
    for name, colour in zip(names, COLOURS, strict=True):
        assert sum(bool(np.abs(one - colour).max() < 14) for one in seen) >= 3, name
    assert made.sound is not None
    for hertz in HERTZ:
        assert loudness_at(made.sound, hertz) > 20 * loudness_at(made.sound, hertz * 1.17)


# -- sound


def test_the_sound_lies_under_the_shot_that_names_it(two_shots: Film) -> None:
    assert two_shots.sound is not None
    start = SECOND_SHOT / 24
    mood = read_sound(MOOD)[: round(3.5 * RATE)]
    lag, alike = best_lag(two_shots.sound, mood)
    assert abs(lag - start) < 0.04
    assert alike > 0.9
    assert np.abs(two_shots.sound[: round((start - 0.1) * RATE)]).max() < 1e-3


def test_a_clip_is_heard_at_six_tenths(tmp_path: Path) -> None:
    voice = tone(tmp_path / "voice.wav", 440, 4)
    path = clip(tmp_path / "talk.mp4", [Image.new("RGB", (640, 480), (60, 90, 60))] * 96, voice)
    made = film(plan_of("@Video1", {"@Video1": path}), tmp_path)
    assert made.sound is not None
    middle = slice(RATE, 3 * RATE)
    assert loudness_at(made.sound[middle], 440) / loudness_at(read_sound(path)[middle], 440) == pytest.approx(
        0.6, abs=0.03
    )


def test_loud_sounds_together_do_not_clip(tmp_path: Path) -> None:
    loud = {f"@Audio{n}": tone(tmp_path / f"{n}.wav", hertz, 4, peak=28000) for n, hertz in enumerate(HERTZ, start=1)}
    made = film(plan_of("@Image1 with @Audio1 @Audio2 @Audio3", {"@Image1": CAT, **loud}), tmp_path)
    assert made.sound is not None
    assert 0.5 < np.abs(made.sound).max() < 0.95


def test_without_sounds_there_is_silence(tmp_path: Path) -> None:
    made = film(plan_of("@Video1", {"@Video1": DRIFT}), tmp_path)
    assert made.sound is not None
    assert np.abs(made.sound).max() < 1e-4


def test_sound_off_leaves_no_audio_track(tmp_path: Path) -> None:
    made = film(plan_of("@Image1", {"@Image1": CAT, "@Audio1": MOOD}, sound=False), tmp_path)
    assert made.codecs == ("h264",)


# -- repeatable


def test_the_same_order_gives_the_same_bytes(tmp_path: Path) -> None:
    references = {"first_frame": COFFEE, "@Image1": CAT, "@Video1": DRIFT, "@Audio1": MOOD}
    for name in ("one", "same"):
        render_plan(plan_of(IN_TWO_SHOTS, references), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "same").read_bytes()


def test_another_seed_moves_otherwise() -> None:
    showing = Showing(place=place_of("@Image1"), start=0, frames=60)
    assert move_for(showing, None, 1) == move_for(showing, None, 1) != move_for(showing, None, 2)


# -- hostile


HOSTILE = {
    "braces": "{0} {words} %s %(x)s ${HOME} \\n <b>'\"`",
    "emoji": "a 🎬🦊👩‍🚀 cat and a ⚡ flash",
    "right to left": "مرحبا بالعالم then שלום",
    "no spaces": "W" * 2000,
    "long": ("a sentence that never wants to end " * 60)[:2000],
    "chinese": "镜头1：一只猫在窗台上醒来镜头2：下雨了",  # noqa: RUF001 (as typed)
    "many shots": " ".join(f"Shot {n}: x" for n in range(1, 121)),
    "control": "null \x00 and\ttab and\nline",
}


@pytest.mark.parametrize("prompt", HOSTILE.values(), ids=HOSTILE.keys())
def test_any_text_is_drawn_or_left_out(prompt: str, tmp_path: Path) -> None:
    made = film(plan_of(prompt, {"@Image1": CAT}, aspect=Aspect.TALL), tmp_path)
    check_shape(made, 4, (480, 854))
    assert text_columns(made.frames[5])[1] <= 480


def text_columns(frame: Rgb) -> tuple[int, int]:
    """From where to where there is writing at the foot; nothing may run off the edge."""
    foot = frame[-250:-20].min(axis=2) > 190
    columns = np.flatnonzero(foot.any(axis=0))
    return (int(columns[0]), int(columns[-1])) if len(columns) else (0, 0)


@pytest.mark.parametrize(
    ("place", "name", "body"),
    [
        ("@Image1", "torn.jpg", CAT.read_bytes()[:3000]),
        ("@Video1", "torn.mp4", DRIFT.read_bytes()[:3000]),
        ("@Audio1", "torn.mp3", b"\xff\xfb\x90\x00" + bytes(10)),
        ("@Video1", "list.mp4", b"ffconcat version 1.0\nfile '/etc/hostname'\n"),
    ],
)
def test_a_broken_reference_is_refused_by_its_place(place: str, name: str, body: bytes, tmp_path: Path) -> None:
    good = {"@Image1": CAT, "@Video1": DRIFT, "@Audio1": MOOD}
    plan = plan_of("Shot 1: @Image1 and @Video1", good)
    (tmp_path / name).write_bytes(body)
    for one in plan.references:
        if str(one.place) == place:
            object.__setattr__(one.reference, "source", str(tmp_path / name))
    with pytest.raises(UnreadableError, match=place):
        render_plan(plan, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
