"""`dailies generate` with the provider that needs no key: where the clip goes, and what programs read of it."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from bot.storage.books import open_books
from tests.commandline.rig import SAMPLES, SMALL, Ran, assert_nothing_held, dailies, environment

KEYS = [
    "job_id",
    "state",
    "provider",
    "model",
    "slots",
    "quote_usd",
    "cost_usd",
    "seconds",
    "video",
    "last_frame",
    "error",
]
AWKWARD = "a {b} 'q\" ü😀 100%.jpg"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder, one set of books, for all that may share them."""
    return tmp_path_factory.mktemp("generate")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Ran:
    """No option about the outcome: the clip lies where the command was typed."""
    return dailies(folder, "generate", "a fox in {braces}", *SMALL)


@pytest.fixture(scope="module")
def told(folder: Path) -> Ran:
    (folder / "my files").mkdir()
    (folder / "my files" / AWKWARD).write_bytes((SAMPLES / "cat.jpg").read_bytes())
    given = f"my files/{AWKWARD}"
    out = ("--out", "new folder/{x} 'ü'.mp4", "--json")
    return dailies(folder, "generate", "@Image1 waves, 雪", "--image", given, *SMALL, *out)


def test_the_clip_lies_under_its_jobs_id_unless_told_otherwise(folder: Path, plain: Ran) -> None:
    assert plain.status == 0
    path = Path(plain.out.removesuffix("\n"))
    job_id = plain.err.split()[0]
    assert path == folder / f"{job_id}.mp4"
    with av.open(str(path)) as played:
        assert sum(1 for _ in played.decode(video=0)) == 4 * 24


def test_its_stages_go_to_standard_error_each_once(plain: Ran) -> None:
    stages = [line.split("  ")[1] for line in plain.sentences]
    assert stages[-1] == "Delivered"
    assert len(set(stages)) == len(stages)


def test_json_has_every_key_and_nothing_beside_it(folder: Path, told: Ran) -> None:
    assert told.status == 0, told.err
    job = told.value
    assert list(job) == KEYS
    assert (job["state"], job["provider"], job["error"]) == ("DELIVERED", "animatic", None)
    assert (job["quote_usd"], job["cost_usd"], job["seconds"]) == ("0.00", "0.00", 4)
    assert job["slots"] == {"@Image1": f"my files/{AWKWARD}"}
    assert isinstance(job["job_id"], str)
    assert job["job_id"].isdecimal()
    assert Path(job["video"]) == folder / "new folder" / "{x} 'ü'.mp4"
    assert Path(job["video"]).stat().st_size > 0
    with Image.open(job["last_frame"]) as still:
        assert (still.format, still.height) == ("PNG", 480)


def test_the_books_tell_the_same(folder: Path, plain: Ran, told: Ran) -> None:
    listed = dailies(folder, "jobs", "--json").value
    assert [job["id"] for job in listed] == [told.value["job_id"], plain.err.split()[0]]
    assert set(listed[0]) == {
        "id",
        "guild_id",
        "member_id",
        "state",
        "provider",
        "task_id",
        "attempts",
        "quote_usd",
        "cost_usd",
        "thread_id",
        "message_id",
        "parent_id",
        "error_code",
    }
    assert (listed[0]["guild_id"], listed[0]["member_id"], listed[0]["attempts"]) == (None, "cli", 1)
    assert_nothing_held(folder)


def test_small_pictures_are_sent_with_a_warning_even_as_json(folder: Path) -> None:
    Image.new("RGB", (400, 400)).save(folder / "small.png")
    ran = dailies(folder, "generate", "@Image1", "--image", "small.png", "--dry-run", "--json")
    assert (ran.status, ran.value["error"]) == (0, None)
    assert "note: @Image1: small.png has a short side of 400 pixels" in ran.err


def test_a_clip_that_cannot_be_handed_over_is_kept_and_its_place_said(folder: Path) -> None:
    """Its name is as long as a name may be: there is no room for the end that marks an unfinished file."""
    ran = dailies(folder, "generate", "a fox", *SMALL, "--json", "--out", f"{'n' * 251}.mp4")
    job = ran.value
    assert (ran.status, job["state"], job["error"]["code"]) == (1, "UNDELIVERABLE", "undeliverable")
    assert (job["quote_usd"], job["cost_usd"]) == ("0.00", None)
    with av.open(job["video"]) as played:
        assert played.streams.video
    assert_nothing_held(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_interrupted_the_job_goes_on_with_the_next_start(tmp_path: Path, number: signal.Signals) -> None:
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "generate", "a long one", "--duration", "15", "--json", "--out", "late.mp4"),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert command.stderr is not None
    while b"Being made" not in (line := await command.stderr.readline()):
        assert line, "it ended before it began"
    command.send_signal(number)
    out, err = await command.communicate()
    ran = Ran(status=command.returncode or 0, out=out.decode(), err=err.decode())
    assert (ran.status, ran.value["error"]["code"]) == (130, "interrupted")
    assert list(ran.value) == KEYS
    assert "Traceback" not in ran.err
    following = await asyncio.to_thread(dailies, tmp_path, "jobs", "--json")
    assert following.value[0] | {"state": "RUNNING"} == following.value[0]
    assert ran.value["job_id"] == following.value[0]["id"]


async def test_one_process_at_a_time_owns_the_data_folder(tmp_path: Path) -> None:
    async with open_books(tmp_path / "data"):
        ran = await asyncio.to_thread(dailies, tmp_path, "generate", "a fox", *SMALL, "--json")
        beside = await asyncio.to_thread(dailies, tmp_path, "jobs", "--json")
    assert (ran.status, ran.value["error"]["code"]) == (4, "already_running")
    assert list(ran.value) == KEYS
    assert "DAILIES_DATA_DIR" in ran.value["error"]["message"]
    assert (beside.status, beside.value) == (0, [])


class TestDryRun:
    """`--dry-run`: exactly what would be sent, without a key, and without leaving anything behind."""

    ASKED = ("generate", "@Image2 beside @Image1", "--provider", "unifically", "--seed", "7", "--dry-run")
    FILES = ("--image", str(SAMPLES / "cat.jpg"), "--image", str(SAMPLES / "coffee.jpg"))

    def test_json_holds_the_request_without_the_secret(self, tmp_path: Path) -> None:
        key = {"DAILIES_PROVIDERS__UNIFICALLY__API_KEY": "canary-key"}
        ran = dailies(tmp_path, *self.ASKED, *self.FILES, "--json", **key)
        job: dict[str, Any] = ran.value
        assert (ran.status, list(job)) == (0, [*KEYS, "request"])
        assert (job["provider"], job["model"]) == ("unifically", "bytedance/seedance-2.0-fast")
        assert (job["quote_usd"], job["cost_usd"], job["seconds"]) == ("0.40", None, 5)
        assert (job["job_id"], job["state"], job["video"], job["error"]) == (None, None, None, None)
        assert set(job["request"]) == {"method", "url", "headers", "body"}
        assert (job["request"]["method"], job["request"]["url"]) == ("POST", "https://api.unifically.com/v1/tasks")
        assert job["request"]["headers"]["Authorization"] == "Bearer ***"
        assert job["request"]["body"] == {
            "model": "bytedance/seedance-2.0-fast",
            "input": {
                "prompt": "@Image2 beside @Image1",
                "duration": 5,
                "aspect_ratio": "16:9",
                "seed": 7,
                "images": [f"https://placeholder.invalid/files/{name}" for name in ("cat.jpg", "coffee.jpg")],
            },
        }
        assert "canary-key" not in ran.out + ran.err
        assert list(tmp_path.iterdir()) == []

    def test_people_read_slots_price_and_request(self, tmp_path: Path) -> None:
        ran = dailies(tmp_path, *self.ASKED, *self.FILES)
        assert (ran.status, ran.err) == (0, "")
        lines = ran.out.splitlines()
        assert f"@Image1  {SAMPLES / 'cat.jpg'}" in lines
        assert "price: $0.40 at most" in lines
        assert "POST https://api.unifically.com/v1/tasks" in lines
        assert "Authorization: Bearer ***" in lines
        assert list(tmp_path.iterdir()) == []

    def test_a_refusal_is_the_same_as_without_it(self, tmp_path: Path) -> None:
        ran = dailies(tmp_path, *self.ASKED, *self.FILES, "--resolution", "1080p", "--json")
        assert (ran.status, ran.value["error"]["code"]) == (2, "option_unsupported")
        assert list(ran.value) == KEYS

    def test_the_local_provider_shows_its_order_too(self, tmp_path: Path) -> None:
        ran = dailies(tmp_path, "generate", "a fox", "--dry-run", "--json")
        assert (ran.status, ran.value["provider"], ran.value["quote_usd"]) == (0, "animatic", "0.00")
        assert list(tmp_path.iterdir()) == []


def test_names_that_are_no_text_are_refused_in_words(tmp_path: Path) -> None:
    name = b"bad\xff.jpg"
    Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes((SAMPLES / "cat.jpg").read_bytes())
    for wish in ((b"--image", name), (b"--out", b"bad\xff.mp4")):
        ran = dailies(tmp_path, "generate", "a fox", *wish)
        assert ran.status == 2
        assert "not text in UTF-8" in ran.err
