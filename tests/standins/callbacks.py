"""Calling back: the POST that tells of an end to the address which a submit gave. It knows nothing of the bot."""

import json
from collections.abc import Callable, Mapping

import aiohttp

CALL_SECONDS = 15.0

Signs = Callable[[bytes], Mapping[str, str]]
"""The headers that prove who sent these bytes."""


def nothing_signed(body: bytes) -> Mapping[str, str]:
    del body
    return {}


async def post(address: str, told: Mapping[str, object], signed: Signs = nothing_signed) -> int:
    """The HTTP status that the receiver answers."""
    body = json.dumps(told).encode()
    headers = {"Content-Type": "application/json", **signed(body)}
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(address, data=body, headers=headers, allow_redirects=False) as response,
    ):
        return response.status
