"""Our requests beside those of the providers' own SDKs, against one stand-in: the same paths, keys and bodies."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from byteplussdkarkruntime import AsyncArk  # type: ignore[import-untyped] # it ships no types for mypy
from byteplussdkarkruntime.types.content_generation.create_task_content_param import (  # type: ignore[import-untyped] # as above
    CreateTaskContentParam,
)
from fal_client import AsyncClient as FalClient
from pydantic import TypeAdapter
from replicate.client import Client as ReplicateClient

from bot.domain.requests import Aspect, Camera, Plan, Tier
from bot.providers import ark, fal, replicate
from tests.providers import test_ark, test_fal, test_replicate
from tests.providers.house import House, opened
from tests.standins.loopback import KEY, Fate, Submit

CALLBACK = "https://bot.example/hooks/ark/a b?c=d&e"
SETS: Mapping[str, tuple[str, ...]] = {
    "text": (),
    "references": ("@Image1", "@Image2", "@Video1", "@Audio1"),
    "frames": ("first_frame", "end_frame"),
}
every_set = pytest.mark.parametrize("places", SETS.values(), ids=SETS)


def plan_in(house: House, places: tuple[str, ...], **options: Any) -> Plan:
    mentioned = " and ".join(place for place in places if place.startswith("@"))
    return house.plan(f"A fox {mentioned}".strip(), *places, tier=Tier.STANDARD, **options)


async def ours(house: House, plan: Plan, callback: str | None = None) -> Submit:
    await house.submit(plan, callback=callback)
    return house.provider.submits[-1]


def same(one: Submit, other: Submit) -> bool:
    """Taken by the provider, and alike in whatever it looks at."""
    assert None not in {one.task_id, other.task_id}
    keys = [said.headers["Authorization"] for said in (one, other)]
    return keys[0] == keys[1] and (one.path, one.payload) == (other.path, other.payload)


# -- ModelArk


@asynccontextmanager
async def ark_sdk(house: House) -> AsyncIterator[AsyncArk]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield AsyncArk(base_url=house.provider.url + house.subject.root, api_key=KEY, max_retries=0, http_client=client)


@every_set
async def test_ark_sdk_sends_what_we_send(places: tuple[str, ...]) -> None:
    async with opened(test_ark.SUBJECT) as house, ark_sdk(house) as sdk:
        plan = plan_in(house, places, camera=Camera.FIXED, aspect=Aspect.AUTO, watermark=True)
        mine = await ours(house, plan, CALLBACK)
        await sdk.content_generation.tasks.create(**ark.to_payload(plan, house.links_for(plan)), callback_url=CALLBACK)
        theirs = house.provider.submits[-1]
        assert isinstance(theirs.payload, dict)
        said = {name: value for name, value in theirs.payload.items() if value is not None}
        assert same(mine, replace(theirs, payload=said))


@every_set
async def test_our_content_is_what_the_ark_sdks_types_accept(places: tuple[str, ...]) -> None:
    async with opened(test_ark.SUBJECT) as house:
        plan = plan_in(house, places, web_search=True)
        payload = ark.to_payload(plan, house.links_for(plan))
        content = TypeAdapter(list[CreateTaskContentParam]).validate_python(payload["content"], strict=True)
        assert content == payload["content"]


async def test_ark_sdk_reads_lists_and_deletes_where_we_do() -> None:
    async with opened(test_ark.SUBJECT) as house, ark_sdk(house) as sdk:
        task_id = await house.submit()
        tasks = sdk.content_generation.tasks
        assert (await tasks.get(task_id=task_id)).status == "queued"
        asked = ark.list_path([task_id]).partition("?")[2]
        listed = await tasks.list(page_num=1, page_size=1, task_ids=[task_id])
        assert [one.id for one in listed.items] == [task_id]
        assert str(httpx.QueryParams(asked)) == f"page_num=1&page_size=1&filter.task_ids={task_id}"
        await tasks.delete(task_id=task_id)
        assert (await tasks.get(task_id=task_id)).status == "cancelled"


# -- fal.ai


class To(httpx.AsyncHTTPTransport):
    """Carries whatever is for one https host to a plain address; the SDK's hosts are fixed when it is imported."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__()
        self._host = host
        self._address = httpx.URL(address)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == self._host
        request.url = request.url.copy_with(scheme="http", host=self._address.host, port=self._address.port)
        return await super().handle_async_request(request)


@asynccontextmanager
async def fal_sdk(house: House) -> AsyncIterator[FalClient]:
    sdk = FalClient(key=KEY)
    transport = To("queue.fal.run", house.provider.url)
    test_fal.provider_of(house).named_base = "https://queue.fal.run"
    async with httpx.AsyncClient(transport=transport, headers={"Authorization": f"Key {KEY}"}) as client:
        made: asyncio.Future[httpx.AsyncClient] = asyncio.get_running_loop().create_future()
        made.set_result(client)
        object.__setattr__(sdk, "_client", made)
        yield sdk


@every_set
@pytest.mark.parametrize("callback", [None, CALLBACK])
async def test_fal_sdk_sends_what_we_send(places: tuple[str, ...], callback: str | None) -> None:
    async with opened(test_fal.SUBJECT) as house, fal_sdk(house) as sdk:
        plan = plan_in(house, places)
        mine = await ours(house, plan, callback)
        application = fal.submit_path(plan).removeprefix("/")
        await sdk.submit(application, fal.to_payload(plan, house.links_for(plan)), webhook_url=callback)
        assert same(mine, house.provider.submits[-1])


async def test_fal_sdk_reads_fetches_and_cancels_where_we_do() -> None:
    """From the id alone, for every model path."""
    async with opened(test_fal.SUBJECT) as house, fal_sdk(house) as sdk:
        for tier in Tier.FAST, Tier.STANDARD:
            plan = house.plan("A fox", tier=tier)
            handle = await sdk.get_handle(fal.submit_path(plan).removeprefix("/"), await house.submit(plan))
            assert urlsplit(handle.status_url).path == fal.DIALECT.read_path(handle.request_id)
            assert urlsplit(handle.response_url).path == fal.RESULT.path(handle.request_id)
            assert fal.DIALECT.cancel_path is not None
            assert urlsplit(handle.cancel_url).path == fal.DIALECT.cancel_path(handle.request_id)
            await handle.cancel()


# -- Replicate


@asynccontextmanager
async def replicate_sdk(house: House) -> AsyncIterator[ReplicateClient]:
    """It cannot be closed, but what it sends through can."""
    async with httpx.AsyncHTTPTransport() as transport:
        yield ReplicateClient(api_token=KEY, base_url=house.provider.url, transport=transport)


@every_set
@pytest.mark.parametrize("callback", [None, CALLBACK])
async def test_replicate_sdk_sends_what_we_send(places: tuple[str, ...], callback: str | None) -> None:
    async with opened(test_replicate.SUBJECT) as house, replicate_sdk(house) as sdk:
        plan = plan_in(house, places)
        mine = await ours(house, plan, callback)
        wanted: Any = replicate.to_payload(plan, house.links_for(plan))["input"]
        called: Any = {} if callback is None else {"webhook": callback, "webhook_events_filter": ["completed"]}
        made = await sdk.models.predictions.async_create(plan.model, wanted, **called)
        assert same(mine, house.provider.submits[-1])
        assert made.status == "starting"


async def test_replicate_sdk_reads_lists_and_cancels_where_we_do() -> None:
    async with opened(test_replicate.SUBJECT) as house, replicate_sdk(house) as sdk:
        predictions = sdk.predictions
        house.provider.fates.append(Fate(statuses=("starting",)))
        task_id = await house.submit()
        assert (await predictions.async_get(task_id)).status == "starting"
        assert [one.id for one in await predictions.async_list()] == [task_id]
        assert (await predictions.async_cancel(task_id)).status == "canceled"
