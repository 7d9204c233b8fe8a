"""The body of a submit: JSON, with files in base64 streamed into it, so that they never lie in memory as one text."""

import asyncio
import json
import re
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from bot.domain.capabilities import Capabilities, Transport
from bot.domain.references import StoredReference
from bot.domain.slots import kind_of

CHUNK_BYTES = 3 * 65_536
"""A multiple of three: only the last chunk of a file is padded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Stands in a payload for a file of ours in base64, with `prefix` before it."""

    sha256: str
    name: str
    size_bytes: int
    prefix: str = ""

    @property
    def shown(self) -> str:
        """What a dry run shows instead."""
        return f"{self.prefix}<{self.name}, {self.size_bytes:,} bytes in base64>"


def source_of(one: StoredReference, links: dict[str, str], capabilities: Capabilities) -> str | Encoded:
    """The reference's link where it has one, else the file itself in the way that this provider takes."""
    kind = kind_of(one.place)
    if capabilities.takes_link(kind) and (capabilities.needs_link(kind) or one.sha256 in links):
        return links[one.sha256]
    is_uri = Transport.DATA_URI in capabilities.transports[kind]
    prefix = f"data:{one.info.kind.word}/{one.info.format};base64," if is_uri else ""
    return Encoded(sha256=one.sha256, name=one.name, size_bytes=one.size_bytes, prefix=prefix)


def shown(payload: object) -> object:
    """The payload as plain JSON values, each file told in words."""
    return json.loads(json.dumps(payload, default=lambda one: _encoded(one).shown))


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The parts in order: texts as they are, files to be encoded. `size_bytes` is of the whole."""

    parts: tuple[bytes | Path, ...]
    size_bytes: int

    async def chunks(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
                continue
            with await asyncio.to_thread(part.open, "rb") as file:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    yield b64encode(chunk)


async def body_of(payload: object, stored_path: Callable[[str], Path] | None) -> Body:
    """Raises OSError for a file that is not there any more."""
    files: list[Encoded] = []
    mark = secrets.token_hex(16)

    def marked(one: object) -> str:
        files.append(_encoded(one))
        return f"{files[-1].prefix}{mark}"

    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=marked)
    texts = [part.encode() for part in re.split(mark, text)]
    if files and stored_path is None:
        raise ValueError("a payload with files needs to know where they are")
    paths = [stored_path(one.sha256) for one in files] if stored_path is not None else []
    parts: list[bytes | Path] = [texts[0]]
    for path, after in zip(paths, texts[1:], strict=True):
        parts += [path, after]
    sizes = await asyncio.to_thread(lambda: [_encoded_bytes(path.stat().st_size) for path in paths])
    return Body(parts=tuple(parts), size_bytes=sum(map(len, texts)) + sum(sizes))


def _encoded_bytes(size_bytes: int) -> int:
    return -(-size_bytes // 3) * 4


def _encoded(value: object) -> Encoded:
    if isinstance(value, Encoded):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a payload")
