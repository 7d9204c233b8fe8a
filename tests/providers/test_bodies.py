"""Bodies with files in them: the JSON that a plain encoder would make, its length known before a byte leaves."""

import base64
import json
from pathlib import Path

import pytest

from bot.providers.bodies import CHUNK_BYTES, Encoded, body_of, shown


def encoded(name: str, *, prefix: str = "") -> Encoded:
    return Encoded(sha256=name, name=f"{name}.png", size_bytes=1234, prefix=prefix)


@pytest.mark.parametrize("size", [0, 1, 2, 3, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES + 2])
async def test_a_file_is_streamed_as_base64_and_the_length_is_right(tmp_path: Path, size: int) -> None:
    file = bytes(number % 251 for number in range(size))
    (tmp_path / "a").write_bytes(file)
    body = await body_of({"prompt": "ein “Fuchs”", "image": encoded("a")}, lambda name: tmp_path / name)
    chunks = [chunk async for chunk in body.chunks()]
    sent = b"".join(chunks)
    assert json.loads(sent) == {"prompt": "ein “Fuchs”", "image": base64.b64encode(file).decode()}
    assert len(sent) == body.size_bytes
    assert max(map(len, chunks)) <= CHUNK_BYTES * 4 // 3


async def test_files_keep_their_places_and_prefixes_and_can_be_sent_twice(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    payload = {"list": [encoded("b"), encoded("a", prefix="data:image/png;base64,")], "n": 1}
    body = await body_of(payload, lambda name: tmp_path / name)
    for _ in range(2):
        sent = json.loads(b"".join([chunk async for chunk in body.chunks()]))
        assert sent == {"list": ["Yg==", "data:image/png;base64,YQ=="], "n": 1}


async def test_without_files_it_is_plain_json() -> None:
    body = await body_of({"a": [1, None, True, "é"]}, None)
    assert b"".join([chunk async for chunk in body.chunks()]) == '{"a":[1,null,true,"é"]}'.encode()


async def test_a_file_that_is_gone_is_noticed_before_a_byte_leaves(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await body_of({"image": encoded("a")}, lambda name: tmp_path / name)


def test_a_dry_run_shows_files_in_words() -> None:
    payload = {"image": encoded("a", prefix="data:image/png;base64,"), "n": 1}
    assert shown(payload) == {"image": "data:image/png;base64,<a.png, 1,234 bytes in base64>", "n": 1}
    with pytest.raises(TypeError):
        shown({"image": Path("a")})
