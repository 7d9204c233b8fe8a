"""Bad input: one clear sentence for the member alone, nothing held, nothing charged, and the bot stays up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.stories.rig import SAMPLES, Story, story


def renamed_sound(folder: Path) -> dict[str, Path]:
    path = folder / "picture.png"
    path.write_bytes((SAMPLES / "mood.mp3").read_bytes())
    return {"image1": path}


def long_picture(folder: Path) -> dict[str, Path]:
    path = folder / "long.png"
    Image.new("RGB", (1600, 600)).save(path)
    return {"image1": path}


def cut_clip(folder: Path) -> dict[str, Path]:
    path = folder / "cut.mp4"
    path.write_bytes((SAMPLES / "drift.mp4").read_bytes()[:200_000])
    return {"video1": path}


def short_sound(folder: Path) -> dict[str, Path]:
    """One second: the first eighth of the sample's frames."""
    path = folder / "short.mp3"
    sound = (SAMPLES / "mood.mp3").read_bytes()
    path.write_bytes(sound[: len(sound) // 8])
    return {"image1": SAMPLES / "cat.jpg", "audio1": path}


def sound_alone(_: Path) -> dict[str, Path]:
    return {"audio1": SAMPLES / "mood.mp3"}


def end_frame_alone(_: Path) -> dict[str, Path]:
    return {"end_frame": SAMPLES / "cat.jpg"}


def three_pictures(_: Path) -> dict[str, Path]:
    return {f"image{n}": SAMPLES / "cat.jpg" for n in (1, 2, 3)}


def nothing(_: Path) -> dict[str, Path]:
    return {}


CASES: list[tuple[str, Callable[[Path], dict[str, Path]], str]] = [
    ("\u200b ", nothing, "The prompt is empty."),
    ("@Image4 waves", three_pictures, "@Image4, but only @Image1, @Image2, @Image3 are attached"),
    ("@Audio1 plays", sound_alone, "need at least one image or video"),
    ("@Image1 waves", renamed_sound, "picture.png is MP3 audio, but this slot takes image"),
    ("@Image1 waves", long_picture, "long.png is 1600×600; width to height must lie between 0.4 and 2.5"),
    ("@Audio1 under @Image1", short_sound, "audio references must last 2 to 15 s"),
    ("@Video1 again", cut_clip, "cut.mp4 is cut off"),
    ("it ends", end_frame_alone, "An end frame needs a first frame"),
]


@pytest.mark.parametrize(("prompt", "files", "sentence"), CASES)
async def test_one_sentence_names_the_thing_and_the_limit(
    tmp_path: Path, prompt: str, files: Callable[[Path], dict[str, Path]], sentence: str
) -> None:
    async with story(tmp_path) as told:
        attached: dict[str, Any] = files(tmp_path)
        refusal = await told.refusal(told.generate(prompt, **attached))
        assert sentence in refusal
        assert "\n" not in refusal
        await assert_all_is_well(told)


async def test_a_declared_giant_is_refused_before_a_byte_is_copied(tmp_path: Path) -> None:
    giant = tmp_path / "giant.mp4"
    with giant.open("wb") as file:
        file.truncate(201_000_000)
    async with story(tmp_path) as told:
        asked = told.generate("@Video1 again", video1=giant)
        assert "giant.mp4 has 201.0 MB; 200 MB is the most for video references" in await told.refusal(asked)
        assert not (tmp_path / "data" / "references").exists()
        await assert_all_is_well(told)


async def test_an_expired_link_asks_for_the_file_again(tmp_path: Path) -> None:
    async with story(tmp_path, link_life_seconds=-60) as told:
        asked = told.generate("@Image1 waves", image1=SAMPLES / "cat.jpg")
        assert "@Image1: the link of cat.jpg has expired. Attach the file again." in await told.refusal(asked)
        await assert_all_is_well(told)


async def assert_all_is_well(told: Story) -> None:
    """Nothing is held or spent, no card is left in the channel, and the next request goes through."""
    assert await told.spent("guild", "clips") == (0, 0)
    assert [message for message in told.other.messages(told.channel.id) if message.author_id == told.world.bot.id] == []
    assert (await told.clip(told.generate(duration=4, resolution="480p"))).attachments
