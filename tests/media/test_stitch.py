"""A film has every frame of its clips once, at an even pace, and a sound that goes on across the joints."""

from array import array
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from bot.media.boxes import outer_boxes
from bot.media.child import run_limited
from bot.media.film_sound import RATE
from bot.media.joints import faded, going_on, is_doubled, largest_step
from bot.media.last_frame import take_last_frame
from bot.media.reading import UnreadableError
from bot.media.stitch import LIMITS, stitch
from tests.media import filming

X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
NO_B = {**filming.X264, "bf": "0"}
SMALL = (96, 160)


def film(folder: Path, *clips: Path) -> tuple[Path, dict[str, object]]:
    output = folder / "film"
    return output, stitch(paths=[str(clip) for clip in clips], output=str(output))


def chain(folder: Path, count: int, *, overlap: int = 1, tones: bool = False, codec: str = "libx264") -> list[Path]:
    """Clips of 24 frames; each begins with the last `overlap` frames of the one before."""
    step = 24 - overlap
    options = X265 if codec == "libx265" else None
    return [
        filming.clip(
            folder / f"{codec}-{number}.mp4",
            frames=range(number * step, number * step + 24),
            codec=codec,
            options=options,
            tone=330 + 110 * number if tones else 0,
        )
        for number in range(count)
    ]


def gaps(path: Path) -> dict[int, int]:
    """How often two neighbouring frames are so many ticks apart."""
    found, counts = np.unique(np.diff(filming.times_of(path)), return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(path) as container:
        return [filming.picture_of(frame).astype(int) for frame in container.decode(video=0)]


def far_off(found: np.ndarray, index: int, *, size: tuple[int, int] = (160, 96)) -> float:
    return float(np.abs(found - filming.view(index, size)).mean())


# -- pictures


def test_copied_clips_show_the_doubled_frame_for_one_tick(tmp_path: Path) -> None:
    output, told = film(tmp_path, *chain(tmp_path, 3))
    assert gaps(output) == {1: 2, 512: 24 * 3 - 3}
    assert told.pop("seconds") == pytest.approx(70 / 24 + 2 / 12288)
    assert told == {"how": "copy", "frames": 70, "joints": 2, "width": 160, "height": 96}


def test_encoded_clips_do_not_have_the_doubled_frame(tmp_path: Path) -> None:
    first, *others = chain(tmp_path, 3)
    hevc = chain(tmp_path, 2, codec="libx265")[1]
    output, told = film(tmp_path, first, hevc, others[1])
    assert gaps(output) == {512: 69}
    assert told.pop("seconds") == pytest.approx(70 / 24)
    assert told == {"how": "encode", "frames": 70, "joints": 2, "width": 160, "height": 96}


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_every_frame_stands_in_its_place(tmp_path: Path, codec: str) -> None:
    output, told = film(tmp_path, *chain(tmp_path, 2, codec=codec))
    found = pictures(output)
    if told["how"] == "copy":
        del found[23]  # shown for a tick only
    assert len(found) == told["frames"] == 47
    for index, frame in enumerate(found):
        others = far_off(frame, index - 1), far_off(frame, index + 1)
        assert far_off(frame, index) < min(others)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_what_is_not_doubled_stays(tmp_path: Path, codec: str) -> None:
    output, told = film(tmp_path, *chain(tmp_path, 2, overlap=-40, codec=codec))
    assert (told["frames"], told["joints"], gaps(output)) == (48, 0, {512: 47})


def test_a_kept_picture_of_the_last_frame_decides(tmp_path: Path) -> None:
    clips = chain(tmp_path, 2)
    paths = [str(clip) for clip in clips]
    own, other = str(tmp_path / "own.png"), str(tmp_path / "other.png")
    take_last_frame(path=paths[0], output=own)
    take_last_frame(path=paths[1], output=other)
    for kept, joints in [(own, 1), (other, 0), (str(tmp_path / "none.png"), 1), (None, 1)]:
        told = stitch(paths=paths, output=str(tmp_path / "film"), endings=[kept, None])
        assert (told["how"], told["joints"]) == ("copy", joints)


def test_one_clip_is_a_film(tmp_path: Path) -> None:
    output, told = film(tmp_path, *chain(tmp_path, 1))
    assert (told["how"], told["frames"], told["joints"], told["seconds"]) == ("copy", 24, 0, 1)
    with av.open(output) as container:
        assert not container.streams.audio


@pytest.mark.parametrize(
    "shape",
    [{"codec": "libx265", "options": X265}, {"pixels": "yuv420p10le"}, {"pixels": "yuvj420p", "colours": (6, 2)}],
    ids=["hevc", "10 bits", "full range"],
)
def test_what_does_not_play_everywhere_is_never_copied(tmp_path: Path, shape: dict[str, object]) -> None:
    clip = filming.clip(tmp_path / "a.mp4", **shape)  # type: ignore[arg-type]  # a table of any arguments
    output, told = film(tmp_path, clip)
    assert (told["how"], told["frames"]) == ("encode", 24)
    with av.open(output) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_twenty_clips_are_copied(tmp_path: Path) -> None:
    one, other = chain(tmp_path, 2, overlap=-40)
    output, told = film(tmp_path, *[one, other] * 10)
    assert (told["how"], told["frames"], told["joints"], told["seconds"]) == ("copy", 480, 0, 20)
    assert gaps(output) == {512: 479}


def test_a_copied_picture_is_byte_for_byte_the_clips(tmp_path: Path) -> None:
    clips = chain(tmp_path, 2)
    output, _ = film(tmp_path, *clips)
    assert packets(output) == [data for clip in clips for data in packets(clip)]


def packets(path: Path) -> list[bytes]:
    with av.open(path) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize(
    "other",
    [
        {"options": NO_B},
        {"size": (192, 112)},
        {"fps": 30},
        {"times": [*range(23), 40]},
        {"pixels": "yuvj420p", "colours": (6, 2)},
        {"pixels": "yuv420p10le"},
        {"codec": "libx265", "options": X265},
    ],
    ids=["parameter sets", "size", "rate", "uneven", "full range", "10 bits", "hevc"],
)
def test_streams_that_differ_are_encoded(tmp_path: Path, other: dict[str, object]) -> None:
    one = filming.clip(tmp_path / "one.mp4")
    two = filming.clip(tmp_path / "two.mp4", **other)  # type: ignore[arg-type]  # a table of any arguments
    output, told = film(tmp_path, one, two)
    assert told["how"] == "encode"
    assert set(gaps(output)) == {512}
    with av.open(output) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt, video.width) == ("h264", "yuv420p", 160)


@pytest.mark.parametrize(("fps", "seconds"), [(12, 2), (30, 0.8), (48, 0.5), (Fraction(24000, 1001), 1)])
def test_another_rate_keeps_its_length(tmp_path: Path, fps: Fraction | int, seconds: float) -> None:
    one = filming.clip(tmp_path / "one.mp4")
    two = filming.clip(tmp_path / "two.mp4", frames=range(100, 124), fps=fps)
    output, told = film(tmp_path, one, two)
    assert told["frames"] == len(filming.times_of(output)) == 24 + round(seconds * 24)


def test_an_uneven_clip_is_held_until_its_next_frame(tmp_path: Path) -> None:
    times = [0, 1, 2, 12, 22, 23]
    one = filming.clip(tmp_path / "one.mp4", frames=range(6), times=times, step=9, options=NO_B)
    output, told = film(tmp_path, one, filming.clip(tmp_path / "two.mp4", frames=range(100, 124)))
    assert told["frames"] == 24 + 24
    found = pictures(output)
    for place, index in [(0, 0), (2, 2), (11, 2), (12, 3), (21, 3), (22, 4), (23, 5)]:
        assert np.abs(found[place] - filming.view(index, (160, 96), step=9)).mean() < 8


def test_another_shape_stands_inside_black_bars(tmp_path: Path) -> None:
    one = filming.clip(tmp_path / "one.mp4")
    upright = filming.clip(tmp_path / "two.mp4", size=SMALL, frames=range(100, 124))
    output, told = film(tmp_path, one, upright)
    assert (told["width"], told["height"]) == (160, 96)
    last = pictures(output)[-1]
    middle = last[:, 51:109]
    assert last[:, :48].max() < 12
    assert last[:, 112:].max() < 12
    assert middle.mean() == pytest.approx(filming.view(123, SMALL).mean(), abs=4)


def test_a_turned_clip_gives_its_upright_shape(tmp_path: Path) -> None:
    lying = filming.clip(tmp_path / "lying.mp4")
    turned = filming.turned(lying, tmp_path / "turned.mp4", 90)
    output, told = film(tmp_path, turned, lying)
    assert (told["how"], told["width"], told["height"]) == ("encode", 96, 160)
    assert np.abs(pictures(output)[12] - np.rot90(filming.view(12, (160, 96)), -1)).mean() < 8


@pytest.mark.parametrize("colours", [(1, 1), (1, 2)])
def test_colours_stay_across_a_joint(tmp_path: Path, colours: tuple[int, int]) -> None:
    rgb = (200, 60, 40)
    one = filming.plain(tmp_path / "one.mp4", rgb, size=(640, 360), colours=(6, 1), told=True)
    two = filming.plain(tmp_path / "two.mp4", rgb, size=(1280, 720), colours=colours, told=True)
    output, told = film(tmp_path, one, two)
    assert (told["how"], told["joints"], told["frames"]) == ("encode", 1, 5)
    with av.open(output) as container:
        frames = list(container.decode(video=0))
    assert {(frame.colorspace, frame.color_range) for frame in frames} == {(6, 1)}
    means = [[np.asarray(frame.to_ndarray())[:360].mean()] for frame in frames]
    assert np.ptp(means) <= 1


def test_the_index_stands_first(tmp_path: Path) -> None:
    output, _ = film(tmp_path, *chain(tmp_path, 2, tones=True))
    kinds = outer_boxes(output)
    assert kinds.index(b"moov") < kinds.index(b"mdat")


def test_picture_and_sound_lie_side_by_side(tmp_path: Path) -> None:
    clip = filming.clip(tmp_path / "a.mp4", frames=range(30), fps=2, size=(32, 32), tone=440)
    output, _ = film(tmp_path, clip, clip)
    with av.open(output) as container:
        lying = sorted((packet.pos, packet.dts * packet.time_base) for packet in container.demux() if packet.size)  # type: ignore[operator]  # every packet has a time
    times = [time for _, time in lying]
    assert max(max(times[: at + 1]) - time for at, time in enumerate(times)) < 0.6


# -- sound


def step_of(sound: np.ndarray) -> float:
    return float(np.abs(np.diff(sound)).max())


@pytest.mark.parametrize("overlap", [1, -40], ids=["doubled", "cut"])
def test_the_sound_goes_on_without_a_step_or_a_hole(tmp_path: Path, overlap: int) -> None:
    output, told = film(tmp_path, *chain(tmp_path, 3, overlap=overlap, tones=True))
    assert told["how"] == "copy"
    sound = filming.sound_of(output)
    starts = [(24 - (overlap == 1)) * number / 24 for number in (1, 2)]
    for start in starts:
        joint = sound[round((start - 0.01) * RATE) : round((start + 0.045) * RATE)]
        elsewhere = [sound[round((start + off) * RATE) :][:9_600] for off in (-0.3, 0.1)]
        assert step_of(joint) <= 1.1 * max(step_of(part) for part in elsewhere)
        pieces = joint[: len(joint) // 240 * 240].reshape(-1, 240)
        assert np.abs(pieces).max(axis=1).min() > 0.1


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_sound_ends_with_the_picture(tmp_path: Path, codec: str) -> None:
    output, told = film(tmp_path, *chain(tmp_path, 3, tones=True, codec=codec))
    ends = []
    with av.open(output) as container:
        for stream in container.streams:
            assert stream.duration
            assert stream.time_base
            ends.append(float(stream.duration * stream.time_base))
    assert abs(ends[0] - ends[1]) <= 0.03
    assert ends[0] == pytest.approx(told["seconds"], abs=0.001)


def test_each_clip_sounds_under_its_own_picture(tmp_path: Path) -> None:
    output, _ = film(tmp_path, *chain(tmp_path, 3, tones=True))
    sound = filming.sound_of(output)
    for number in range(3):
        begin = number * 23 / 24
        part = sound[round((begin + 0.1) * RATE) : round((begin + 0.9) * RATE)]
        loudest = np.fft.rfft(part * np.hanning(len(part))).__abs__().argmax() * RATE / len(part)
        assert loudest == pytest.approx(330 + 110 * number, abs=2)


def test_a_silent_clip_is_silent_between_two_that_sound(tmp_path: Path) -> None:
    one = filming.clip(tmp_path / "one.mp4", tone=440)
    none = filming.clip(tmp_path / "none.mp4", frames=range(100, 124))
    output, told = film(tmp_path, one, none, one)
    assert told["frames"] == 72
    sound = filming.sound_of(output)
    assert np.abs(sound[round(1.1 * RATE) : round(1.9 * RATE)]).max() < 0.001
    assert np.abs(sound[round(2.1 * RATE) : round(2.9 * RATE)]).max() > 0.2


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_sound_longer_than_its_picture_does_not_push_the_next(tmp_path: Path, rate: int) -> None:
    long = filming.clip(tmp_path / "long.mp4", tone=300, tone_seconds=2, sound_rate=rate)
    short = filming.clip(tmp_path / "short.mp4", frames=range(100, 124), tone=600, tone_seconds=0.5)
    output, told = film(tmp_path, long, short)
    assert told["seconds"] == 2
    sound = filming.sound_of(output)
    assert len(sound) <= 2.03 * RATE
    assert np.abs(sound[round(1.6 * RATE) :]).max() < 0.02
    assert np.abs(sound[round(1.2 * RATE) : round(1.4 * RATE)]).max() > 0.2


def stereo(samples: np.ndarray) -> "array[int]":
    return array("h", np.repeat(samples.astype(np.int16), 2).tobytes())


def test_noise_keeps_its_power_while_it_fades() -> None:
    chance = np.random.default_rng(2)
    old, new = (stereo(chance.normal(0, 4_000, 1_440)) for _ in range(2))
    power = np.square(np.array(faded(old, new), dtype=float)).reshape(6, -1).mean(axis=1)
    assert np.sqrt(power) == pytest.approx(4_000, rel=0.2)


@pytest.mark.parametrize("hertz", [440, 466, 554, 659, 880])
def test_two_tones_make_no_larger_step_than_either(hertz: float) -> None:
    at = np.arange(1_440) / RATE
    old, new = (stereo(np.sin(2 * np.pi * tone * at) * 20_000) for tone in (440, hertz))
    assert largest_step(faded(old, new)) <= 1.01 * max(largest_step(old), largest_step(new))


def test_a_sound_that_ended_goes_on_backwards() -> None:
    samples = array("h", [1, -1, 2, -2, 3, -3])
    assert list(going_on(samples, 1, 4)) == [2, -2, 3, -3, 3, -3, 2, -2]
    assert list(going_on(array("h"), 0, 2)) == [0, 0, 0, 0]
    assert list(going_on(samples, 3, 5)) == [3, -3, 2, -2, 1, -1, 1, -1, 1, -1]


@pytest.mark.parametrize(("off", "doubled"), [(0, True), (8, True), (9, False)])
def test_a_joint_is_doubled_above_30_decibels(off: int, doubled: bool) -> None:  # noqa: FBT001 (a table)
    assert is_doubled(bytes([100] * 64), bytes([100 + off] * 64)) is doubled


# -- refusals


def test_a_cut_clip_is_named(tmp_path: Path) -> None:
    one, two = chain(tmp_path, 2)
    two.write_bytes(two.read_bytes()[:-9_000])
    with pytest.raises(UnreadableError, match=r"^clip 2 is cut off"):
        film(tmp_path, one, two)


def test_a_damaged_clip_is_named(tmp_path: Path) -> None:
    one, two = filming.clip(tmp_path / "one.mp4"), filming.clip(tmp_path / "two.mp4", codec="libx265", options=X265)
    data = bytearray(one.read_bytes())
    start = data.index(b"mdat")
    for at in range(start + 3_000, start + 9_000, 7):
        data[at] ^= 0xA5
    one.write_bytes(data)
    with pytest.raises(UnreadableError, match=r"^clip 1 (is damaged|cannot be decoded)"):
        film(tmp_path, one, two)


def test_a_film_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        film(tmp_path)


async def test_a_child_joins_clips(tmp_path: Path) -> None:
    clips = [str(clip) for clip in chain(tmp_path, 2, tones=True)]
    found = await run_limited(
        "bot.media.stitch:stitch", {"paths": clips, "output": str(tmp_path / "film")}, limits=LIMITS
    )
    assert (found["how"], found["frames"]) == ("copy", 47)
