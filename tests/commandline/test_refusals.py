"""What `dailies generate` refuses: one sentence that names the thing, exit status 2, nothing written or held."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from tests.commandline.rig import SAMPLES, Ran, assert_sound, dailies, several

CAT, DRIFT, MOOD = (str(SAMPLES / name) for name in ("cat.jpg", "drift.mp4", "mood.mp3"))

PAID = ("--provider", "unifically")
AT_ONCE: list[tuple[str, Sequence[str], str]] = [
    ("", (), "The prompt is empty."),
    ("\u200b", (), "The prompt is empty."),
    ("x" * 2001, (), "The prompt has 2,001 characters; 2,000 is the most."),
    ("@Image2 waves", ("--image", CAT), "The prompt mentions @Image2, but only @Image1 is attached."),
    ("@Image10 waves", (), "@Image10 is not a slot"),
    ("a fox", ("--image", "none.png"), "@Image1: none.png cannot be read: no such file or directory."),
    ("a fox", ("--image", CAT, "--image", "."), "@Image2: . cannot be read: it is a folder."),
    ("a fox", ("--image", ""), '@Image1: "" cannot be read: it is a folder.'),
    ("a fox", ("--video", "/dev/zero"), "@Video1: /dev/zero cannot be read: it is not a plain file."),
    ("a fox", ("--audio", "pipe"), "@Audio1: pipe cannot be read: it is not a plain file."),
    ("a fox", ("--image", CAT) * 10, "10 image references were given; 9 is the most."),
    ("a fox", ("--video", "giant.mp4"), "giant.mp4 has 201.0 MB; 200 MB is the most for video references."),
    ("@Audio1", ("--audio", MOOD), "Audio references need at least one image or video"),
    ("a fox", ("--end-frame", CAT), "An end frame needs a first frame"),
    ("a fox", ("--duration", "16"), "Animatic cannot do a duration of 16 s; the nearest is 15 s."),
    ("a fox", ("--tier", "ultra"), "There is no tier ultra; there is fast, standard, pro."),
    ("a fox", ("--aspect", "7:5"), "There is no aspect 7:5"),
    ("a fox", ("--camera", "wobble"), "There is no camera motion wobble"),
    ("a fox", ("--style", "noir"), "There is no style noir"),
    ("a fox", ("--provider", "nobody"), "There is no provider nobody here; there is animatic, unifically, apiyi"),
    ("a fox", (*PAID, "--resolution", "1080p"), "Unifically cannot do resolution 1080p; it has 720p here."),
    ("a fox", (*PAID, "--image", CAT), "cat.jpg lies on the bot's own machine"),
    ("a fox", ("--out", "."), "it is a folder."),
    ("a fox", ("--out", "/dev/null"), "--out /dev/null: it is not a plain file."),
    ("a fox", ("--out", "/dev/null/clip.mp4"), "--out /dev/null/clip.mp4: no file can be made in /dev/null."),
    ("a fox", ("--duration", "soon"), "Invalid value for '--duration'"),
    ("a fox", ("--seed", "4294967296"), "Invalid value for '--seed'"),
    ("a fox", ("--sparkle",), "No such option: --sparkle"),
]

AFTER_A_LOOK: list[tuple[str, Sequence[str], str]] = [
    ("@Image1", ("--image", "thin.png"), "nobody can be asked here: @Image1 thin.png: enlarged from 299×400"),
    ("@Image1", ("--image", "song.png"), "song.png is MP3 audio, but this slot takes image"),
    ("@Video1", ("--video", "cut.mp4"), "@Video1: cut.mp4 is cut off"),
    (
        "@Audio1",
        ("--image", CAT, "--audio", "long.mp3"),
        "@Audio1 long.mp3: cut to its first 15 s",
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("refusals")
    os.mkfifo(made / "pipe")
    with (made / "giant.mp4").open("wb") as file:
        file.truncate(201_000_000)
    sound = Path(MOOD).read_bytes()
    Image.new("RGB", (299, 400)).save(made / "thin.png")
    (made / "song.png").write_bytes(sound)
    (made / "long.mp3").write_bytes(sound + sound)
    (made / "cut.mp4").write_bytes(Path(DRIFT).read_bytes()[:200_000])
    return made


@pytest.fixture(scope="module")
def refused(folder: Path) -> list[Ran]:
    commands = [("generate", prompt, *options) for prompt, options, _ in AT_ONCE]
    return several(folder, *commands, DAILIES_DATA_DIR="untouched")


@pytest.mark.parametrize("case", range(len(AT_ONCE)), ids=[sentence for *_, sentence in AT_ONCE])
def test_what_needs_no_look_at_a_file_is_refused_before_anything_is_opened(
    folder: Path, refused: list[Ran], case: int
) -> None:
    assert refused[case].status == 2
    assert_one_sentence(refused[case], AT_ONCE[case][2])
    assert not (folder / "untouched").exists()


def test_a_process_of_its_own_says_the_same(folder: Path, refused: list[Ran]) -> None:
    prompt, options, _ = AT_ONCE[0]
    assert dailies(folder, "generate", prompt, *options) == refused[0]


@pytest.mark.parametrize(("prompt", "options", "sentence"), AFTER_A_LOOK)
def test_what_a_file_itself_says_is_refused_with_nothing_held(
    folder: Path, prompt: str, options: Sequence[str], sentence: str
) -> None:
    commands = [("generate", prompt, *options), ("jobs", "--json"), ("ledger", "verify", "--json")]
    ran, jobs, verdict = several(folder, *commands)
    assert ran.status == 2
    assert_one_sentence(ran, sentence)
    listed = jobs.value
    assert (listed[0]["state"], listed[0]["quote_usd"], listed[0]["cost_usd"]) == ("REFUSED", None, None)
    assert_sound(verdict)


def test_a_silent_clip_with_sound_to_follow_is_more_than_unifically_can_do(folder: Path) -> None:
    asked = ("generate", "@Audio1", "--image", CAT, "--audio", MOOD, "--no-sound", *PAID, "--dry-run")
    ran = dailies(folder, *asked)
    assert ran.status == 2
    assert_one_sentence(ran, "Unifically cannot do a silent clip with audio references")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("a fox", "--tier", "ultra"), "option_unknown"),
        (("@Image1", "--image", "thin.png"), "reference_must_change"),
        (("a fox", "--duration", "soon"), "usage"),
        ((), "usage"),
    ],
)
def test_as_json_a_refusal_has_every_key(folder: Path, arguments: Sequence[str], code: str) -> None:
    ran = dailies(folder, "generate", *arguments, "--json")
    job = ran.value
    assert (ran.status, job["error"]["code"], len(job)) == (2, code, 11)
    assert job["error"]["message"]
    assert (job["quote_usd"], job["cost_usd"], job["video"]) == (None, None, None)
    assert job["state"] == (None if code == "usage" else "REFUSED")


def test_commands_that_do_not_exist_are_refused(folder: Path) -> None:
    for ran in several(folder, ("nonsense",), ("ledger", "nonsense"), ("ledger",), ("--nonsense",)):
        assert (ran.status, ran.out) == (2, "")
        assert "--help" in ran.err


def test_without_a_command_help_is_shown(folder: Path) -> None:
    alone, asked = several(folder, (), ("--help",))
    assert (alone.status, asked.status, alone.err) == (0, 0, "")
    assert alone.out == asked.out
    assert alone.out.startswith("Usage: dailies ")
    for command in ("run", "demo", "generate", "doctor", "jobs", "ledger", "backup"):
        assert f"\n  {command} " in alone.out


def assert_one_sentence(ran: Ran, sentence: str) -> None:
    assert ran.out == ""
    assert len(ran.sentences) == 1, ran.err
    assert sentence in ran.err
