"""The file server and what uploads say about themselves."""

import hashlib
from pathlib import Path

import aiohttp
import yarl

from bot.sandbox import payloads
from bot.sandbox.files import Measures, measure, safe_name
from tests.sandbox.rig import Scene

SAMPLES = Path(__file__).parents[2] / "bot" / "samples"


async def status(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(yarl.URL(url, encoded=True)) as response:
        return response.status


async def test_a_link_lives_a_day_and_cannot_be_forged(scene: Scene) -> None:
    message = scene.client.say(scene.channel.id, files=[scene.file("a clip.mp4")])
    url = payloads.attachment(scene.world, message.attachments[0])["url"]
    assert url.startswith(f"http://{scene.sandbox.cdn_host}/attachments/{scene.channel.id}/")
    assert await status(url) == 200
    assert await status(url.partition("?")[0]) == 404
    assert await status(url.replace("hm=", "hm=0")) == 404
    assert await status(url.replace("ex=", "ex=1")) == 404
    assert await status(url.replace("a_clip", "b_clip")) == 404
    scene.clock.advance(seconds=24 * 3600)
    assert await status(url) == 404
    assert await status(payloads.attachment(scene.world, message.attachments[0])["url"]) == 200


async def test_a_file_is_kept_byte_for_byte(scene: Scene) -> None:
    path = scene.file(size=1_000_000)
    kept = scene.client.say(scene.channel.id, files=[path]).attachments[0]
    assert kept.size == 1_000_000
    assert kept.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert kept.path.read_bytes() == path.read_bytes()


def test_dimensions_are_read_from_the_bytes() -> None:
    picture, clip = measure(SAMPLES / "cat.jpg"), measure(SAMPLES / "drift.mp4")
    assert None not in (picture.width, picture.height, clip.width, clip.height)
    assert picture.duration_seconds is None
    assert 1 < (clip.duration_seconds or 0) < 60
    assert measure(SAMPLES / "mood.mp3") == Measures()


def test_bytes_that_lie_have_no_dimensions(tmp_path: Path) -> None:
    for head in (b"\0\0\0\x18ftypmp42\0\0\0\x10moov\0\0\0\x08mvhd", b"\xff\xd8\xff\xc0\0", b"\x89PNG\r\n\x1a\n"):
        (tmp_path / "odd").write_bytes(head)
        assert measure(tmp_path / "odd") == Measures()


def test_file_names_are_cleaned() -> None:
    assert safe_name("../../etc/pass wd.mp4") == "_.._etc_pass_wd.mp4"
    assert safe_name("") == "unknown"
