"""The web room over a real socket, asked by a client that is not aiohttp's."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from bot.domain.links import SignedLinks, sign
from bot.web.app import CONTENT_TYPES, make_app, serving

SECRET = bytes(range(32))
CONTENT = bytes(range(256)) * 8
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass(kw_only=True)
class Room:
    """The running app, its clock, its health and its folder."""

    folder: Path
    url: str = ""
    now_ms: int = 1_000_000
    is_healthy: bool = True

    def linked_path(self, *, name: str) -> Path | None:
        path = self.folder / name.partition(".")[0]
        return path if path.is_file() else None

    def link(self, extension: str = "png", sha256: str = SHA256) -> str:
        links = SignedLinks(public_url=self.url, secret=SECRET, now_ms=lambda: self.now_ms, lifetime_ms=60_000)
        return links.link_for(sha256=sha256, extension=extension)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    room = Room(folder=tmp_path / "references")
    room.folder.mkdir()
    (room.folder / SHA256).write_bytes(CONTENT)
    (tmp_path / "secret.txt").write_text("not for anyone")
    app = make_app(files=room, secret=SECRET, now_ms=lambda: room.now_ms, healthy=lambda: room.is_healthy)
    async with serving(app, host="127.0.0.1", port=0) as port:
        room.url = f"http://127.0.0.1:{port}"
        yield room


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        yield client


@pytest.mark.parametrize(("extension", "content_type"), CONTENT_TYPES.items())
async def test_signed_link_opens_the_file_with_its_type(
    room: Room, http: httpx.AsyncClient, extension: str, content_type: str
) -> None:
    answer = await http.get(room.link(extension))
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer.headers["Cache-Control"]


async def test_head_tells_the_size_without_the_file(room: Room, http: httpx.AsyncClient) -> None:
    answer = await http.head(room.link("mp4"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.headers["Content-Type"] == "video/mp4"


async def test_range_gives_the_asked_bytes_only(room: Room, http: httpx.AsyncClient) -> None:
    answer = await http.get(room.link("mp4"), headers={"Range": "bytes=100-199"})
    assert (answer.status_code, answer.content) == (206, CONTENT[100:200])
    assert answer.headers["Content-Range"] == f"bytes 100-199/{len(CONTENT)}"
    beyond = await http.get(room.link("mp4"), headers={"Range": f"bytes={len(CONTENT)}-"})
    assert beyond.status_code == 416


async def test_link_ends_at_its_time(room: Room, http: httpx.AsyncClient) -> None:
    link = room.link()
    room.now_ms += 59_999
    assert (await http.get(link)).status_code == 200
    room.now_ms += 1
    assert_nothing(await http.get(link))
    assert_nothing(await http.get(link, headers={"Range": "bytes=0-1"}))


async def test_forged_unknown_and_swapped_look_alike(room: Room, http: httpx.AsyncClient) -> None:
    link = room.link()
    other = "b2" * 32
    forged = sign(bytes(32), f"{SHA256}.png", room.now_ms + 1000)
    answers = [
        await http.get(f"{room.url}/files/{forged}/{SHA256}.png"),
        await http.get(room.link(sha256=other)),
        await http.get(link.replace(f"/{SHA256}.png", f"/{other}.png")),
        await http.get(link.removesuffix(".png") + ".mp4"),
        await http.get(room.link("exe")),
        await http.get(f"{room.url}/files/{SHA256}.png"),
        await http.get(f"{room.url}/files//{SHA256}.png"),
        await http.get(room.url),
        await http.post(link),
        await http.delete(link),
    ]
    for answer in answers:
        assert_nothing(answer)
    assert len({tuple(name for name in answer.headers if name != "date") for answer in answers}) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/files/../secret.txt",
        "/files/../../secret.txt",
        "/files/%2e%2e/secret.txt",
        "/files/x/..%2f..%2fsecret.txt",
        "/files/{token}/..%2fsecret.txt",
        "/files/{token}/../../secret.txt",
        "/files/{token}%00/{name}",
        "/files/{token}/{name}%00.txt",
        "//etc/passwd",
    ],
)
async def test_no_path_leads_out_of_the_folder(room: Room, path: str) -> None:
    _, _, token, name = urlsplit(room.link()).path.split("/")
    status, body = await raw_get(room, path.format(token=token, name=name))
    assert (status, body) == (404, b"")


async def raw_get(room: Room, path: str) -> tuple[int, bytes]:
    """As typed: client libraries would tidy the path first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(room.url).port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: bot.example\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), timeout=5)
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


async def test_health_follows_what_it_is_told(room: Room, http: httpx.AsyncClient) -> None:
    well = await http.get(f"{room.url}/healthz")
    room.is_healthy = False
    ill = await http.get(f"{room.url}/healthz")
    assert (well.status_code, well.text, ill.status_code) == (200, "ok", 503)


async def test_no_token_reaches_the_log(room: Room, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    link = room.link()
    token = link.split("/")[-2]
    with caplog.at_level(logging.DEBUG, logger="aiohttp"), caplog.at_level(logging.DEBUG, logger="asyncio"):
        await http.get(link)
        await http.get(link + "x")
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
    assert not any(token in line for line in ours)


def assert_nothing(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.content) == (404, b"")
