"""The task that a callback speaks of, in bodies typed from the documents."""

import json
from collections.abc import AsyncIterator

import pytest

from bot.domain.capabilities import Capabilities
from bot.providers.account import Dialect, PaidAccount
from bot.providers.apiframe import DIALECT as APIFRAME
from bot.providers.ark import DIALECT as ARK
from bot.providers.http import Clients, open_clients
from bot.providers.unifically import DIALECT as UNIFICALLY
from bot.providers.v3_async import DIALECT as V3_ASYNC
from tests.providers.planning import plan_for

BODIES: list[tuple[Dialect, dict[str, object]]] = [
    # docs.unifically.com/api-reference/callbacks
    (UNIFICALLY, {"task_id": "t1", "status": "completed", "data": {"video_url": "https://cdn.example/o.mp4"}}),
    (UNIFICALLY, {"task_id": "t1", "status": "failed", "error_message": "…"}),
    # docs-v2.apiframe.ai/docs/webhooks
    (APIFRAME, {"event": "failed", "jobId": "t1", "status": "FAILED", "error": "…", "model": "seedance-2"}),
    # novita.ai/docs/api-reference/model-apis-webhook
    (
        V3_ASYNC,
        {
            "event_type": "ASYNC_TASK_RESULT",
            "payload": {"task": {"task_id": "t1", "status": "TASK_STATUS_SUCCEED"}, "videos": []},
        },
    ),
    # specification of `ark`: like the answer to a poll
    (ARK, {"id": "t1", "model": "dreamina-seedance-2-0", "status": "succeeded"}),
]


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    async with open_clients() as opened:
        yield opened


def called(dialect: Dialect, clients: Clients, body: bytes) -> str | None:
    account = PaidAccount(
        dialect=dialect, clients=clients, base_urls=["https://api.example"], api_key="key", account="a#1"
    )
    row: Capabilities = dialect.capabilities
    return account.called_task(plan=plan_for(row, "a fox"), body=body)


@pytest.mark.parametrize(("dialect", "body"), BODIES)
async def test_a_callback_names_its_task(dialect: Dialect, body: dict[str, object], clients: Clients) -> None:
    assert called(dialect, clients, json.dumps(body).encode()) == "t1"


@pytest.mark.parametrize("dialect", [UNIFICALLY, APIFRAME, V3_ASYNC, ARK], ids=lambda one: one.capabilities.provider)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\x1f\x8b",
        b"[" * 60_000,
        b"[]",
        b"null",
        b'{"task_id": 7, "jobId": null, "id": {"a": 1}, "payload": [1]}',
        b'{"task_id": "'
        + b"x" * 1000
        + b'", "jobId": "\\u0000", "id": " ", "payload": {"task": {"task_id": "a\\nb"}}}',
    ],
)
async def test_a_body_that_is_no_callback_names_none(dialect: Dialect, body: bytes, clients: Clients) -> None:
    assert called(dialect, clients, body) is None
