"""`dailies doctor` about providers: keys are tried for free, clocks compared, prices dated, resting accounts shown."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.storage.books import open_books
from tests.commandline.rig import SAMPLES, Ran, dailies
from tests.standins import apiyi, ark
from tests.standins.loopback import KEY, StandIn, Trouble, html

APIYI, ARK = "DAILIES_PROVIDERS__APIYI__", "DAILIES_PROVIDERS__ARK__"


@pytest.fixture
async def provider() -> AsyncIterator[apiyi.Provider]:
    async with apiyi.running(clip=SAMPLES / "drift.mp4") as running:
        yield running


async def looked(folder: Path, provider: apiyi.Provider | None, *, key: str = KEY, **settings: str) -> Ran:
    """The doctor with APIYI enabled, at the stand-in."""
    given = {"DAILIES_PROVIDER_ORDER": "apiyi", f"{APIYI}API_KEY": key}
    if provider is not None:
        given[f"{APIYI}BASE_URL"] = provider.base_url
    ran = await asyncio.to_thread(dailies, folder, "doctor", "--json", **{**given, **settings})
    for secret in key.split(","):
        assert secret.strip() not in ran.out + ran.err
    return ran


def checks(ran: Ran, begins: str) -> list[dict[str, str]]:
    return [check for check in ran.value["checks"] if check["name"].startswith(begins)]


def host_of(provider: StandIn) -> str:
    return provider.url.removeprefix("http://")


# -- keys


async def test_a_good_key_is_told_by_asking_for_a_task_that_does_not_exist(
    tmp_path: Path, provider: apiyi.Provider
) -> None:
    ran = await looked(tmp_path, provider)
    (check,) = checks(ran, "apiyi#")
    assert (ran.status, check["verdict"]) == (0, "ok")
    assert check["detail"] == f"the key is accepted by {host_of(provider)}"
    assert (provider.tasks, provider.submits) == ({}, [])


async def test_each_of_several_keys_has_its_line(tmp_path: Path, provider: apiyi.Provider) -> None:
    ran = await looked(tmp_path, provider, key=f"{KEY}, stale-key-77")
    good, stale = checks(ran, "apiyi#")
    assert (ran.status, good["verdict"], stale["verdict"]) == (1, "ok", "failed")
    assert good["detail"].startswith("key 1 of 2 is accepted")
    assert stale["detail"] == f"key 2 of 2 was not accepted by {host_of(provider)} (HTTP 401)."
    assert stale["mend"] == f"Copy {APIYI}API_KEY anew."
    assert good["name"] != stale["name"]


PAGE = Trouble(status=404, body="<html>nothing here</html>", content_type="text/html")


@pytest.mark.parametrize(
    ("trouble", "status", "verdict", "detail"),
    [
        (apiyi.error(401, "no such key"), 1, "failed", "the key was not accepted by {host} (HTTP 401)."),
        (apiyi.error(403, "not yours"), 1, "failed", "the key was not accepted by {host} (HTTP 403)."),
        (apiyi.error(402, "pay first"), 1, "failed", "the key is out of credit at {host}."),
        (html(502), 0, "warning", "the key could not be tried: {host} answered 502."),
        (apiyi.rate_limited(), 0, "warning", "the key could not be tried: {host} answered 429."),
        (PAGE, 0, "warning", "the key could not be tried: {host} answered 404."),
        (apiyi.error(200, "odd"), 0, "warning", "the key could not be tried: {host} answered 200."),
        (Trouble(drops=True), 1, "failed", "the key could not be tried: {host} did not answer."),
    ],
)
async def test_what_the_host_says_of_the_key(
    tmp_path: Path, provider: apiyi.Provider, trouble: Trouble, status: int, verdict: str, detail: str
) -> None:
    provider.read_troubles.extend([trouble] * 2)
    ran = await looked(tmp_path, provider)
    (check,) = checks(ran, "apiyi#")
    assert (ran.status, check["verdict"]) == (status, verdict)
    assert check["detail"] == detail.format(host=host_of(provider))
    assert check["mend"]


async def test_a_backup_that_does_not_answer_is_named(tmp_path: Path, provider: apiyi.Provider, free_port: int) -> None:
    gone = f"127.0.0.1:{free_port}"
    ran = await looked(tmp_path, None, **{f"{APIYI}BASE_URL": f"{provider.base_url},http://{gone}/v1"})
    (check,) = checks(ran, "apiyi#")
    assert (ran.status, check["verdict"]) == (0, "warning")
    assert check["detail"] == f"the key could not be tried: {gone} did not answer."


async def test_a_host_that_nobody_named_and_a_key_that_no_header_carries_are_told(tmp_path: Path) -> None:
    ran = await looked(
        tmp_path,
        None,
        key="ключ",
        DAILIES_PROVIDER_ORDER="apiyi,v3_async",
        DAILIES_PROVIDERS__V3_ASYNC__API_KEY="canary-key",
    )
    odd, homeless = checks(ran, "apiyi")[0], checks(ran, "v3_async")[0]
    assert ran.status == 1
    assert (odd["verdict"], "characters that no header can carry" in odd["detail"]) == ("failed", True)
    assert "DAILIES_PROVIDERS__V3_ASYNC__BASE_URL: is not set" in homeless["detail"]


# -- clock


@pytest.mark.parametrize(
    ("ahead", "verdict", "detail"),
    [
        (0, "ok", "within 30 s of those who answered"),
        (-3600, "warning", "s ahead of those who answered"),
        (3600, "warning", "s behind those who answered"),
    ],
)
async def test_the_clock_is_compared_with_those_who_answer(
    tmp_path: Path, provider: apiyi.Provider, ahead: int, verdict: str, detail: str
) -> None:
    told = format_datetime(datetime.fromtimestamp(time.time() + ahead, UTC), usegmt=True)
    provider.read_troubles.append(Trouble(status=404, body="{}", headers={"Date": told}))
    (check,) = checks(await looked(tmp_path, provider), "clock")
    assert (check["verdict"], detail in check["detail"]) == (verdict, True)


async def test_where_nobody_answers_nothing_is_said_of_the_clock(tmp_path: Path, free_port: int) -> None:
    ran = await looked(tmp_path, None, **{f"{APIYI}BASE_URL": f"http://127.0.0.1:{free_port}/v1"})
    assert checks(ran, "clock") == []


# -- prices


async def test_estimates_are_marked_until_the_operator_sets_a_row(tmp_path: Path) -> None:
    async with ark.running(clip=SAMPLES / "drift.mp4") as running:
        settings = {
            "DAILIES_PROVIDER_ORDER": "ark",
            f"{ARK}API_KEY": KEY,
            f"{ARK}BASE_URL": running.url + ark.ROOT,
        }
        (before,) = checks(await looked(tmp_path, None, **settings), "ark prices")
        (tmp_path / "data").mkdir()
        row = "\n".join(f"[ark.tiers.{tier}.price]\nusd_per_second = 0.1" for tier in ("fast", "standard"))
        (tmp_path / "data" / "providers.toml").write_text(row)
        (after,) = checks(await looked(tmp_path, None, **settings), "ark prices")
    assert (before["verdict"], before["detail"]) == ("warning", "fast, standard: estimate, set your own row.")
    assert (after["verdict"], after["mend"]) == ("ok", "")


async def test_old_prices_are_told_with_their_date(tmp_path: Path, provider: apiyi.Provider) -> None:
    (tmp_path / "data").mkdir()
    prices = {"fast": "2020-02-01", "standard": datetime.now(UTC).date().isoformat(), "pro": "2020-03-01"}
    row = "\n".join(f"[apiyi.tiers.{tier}.price]\nusd_per_second = 1\ndated = {day}" for tier, day in prices.items())
    (tmp_path / "data" / "providers.toml").write_text(row)
    (check,) = checks(await looked(tmp_path, provider), "apiyi prices")
    assert (check["verdict"], check["detail"]) == ("warning", "of 2020-02-01, more than 180 days ago.")


# -- public address


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("", "{host} leads here, but no provider reaches plain http on this machine."),
        ("/started", "{host} leads here, but no provider reaches plain http on this machine."),
        ("/other", "{host} answered 404, and not as this bot does."),
        ("/stranger", "{host} answered 200, and not as this bot does."),
    ],
)
async def test_the_public_address_must_lead_to_this_bot(tmp_path: Path, path: str, detail: str) -> None:
    pages: dict[str, Any] = {
        "/healthz": (200, "ok"),
        "/started/healthz": (503, "not ok"),
        "/stranger/healthz": (200, "x" * 99),
    }

    async def page(request: web.Request) -> web.Response:
        status, text = pages.get(request.path, (404, ""))
        return web.Response(status=status, text=text)

    app = web.Application()
    app.router.add_get("/{rest:.*}", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"127.0.0.1:{runner.addresses[0][1]}"
    ran = await asyncio.to_thread(dailies, tmp_path, "doctor", "--json", DAILIES_PUBLIC_URL=f"http://{host}{path}")
    await runner.cleanup()
    (check,) = checks(ran, "public url")
    assert (ran.status, check["verdict"], check["detail"]) == (0, "warning", detail.format(host=host))
    assert check["mend"]


def test_a_public_address_that_nobody_serves_is_a_note(tmp_path: Path, free_port: int) -> None:
    ran = dailies(tmp_path, "doctor", "--json", DAILIES_PUBLIC_URL=f"https://127.0.0.1:{free_port}")
    (check,) = checks(ran, "public url")
    assert (ran.status, check["verdict"]) == (0, "warning")
    assert check["detail"] == f"127.0.0.1:{free_port} did not answer."


def test_without_one_it_says_what_it_would_switch_on(tmp_path: Path) -> None:
    (check,) = checks(dailies(tmp_path, "doctor", "--json"), "public url")
    assert check["verdict"] == "ok"
    assert "signed links and callbacks" in check["mend"]


# -- accounts that rest


async def test_a_resting_account_is_shown_with_its_reason_until_its_time_is_over(tmp_path: Path) -> None:
    async with open_books(tmp_path / "data") as books:
        await books.write(lambda _: None)
    now_ms = round(time.time() * 1000)
    with sqlite3.connect(tmp_path / "data" / "dailies.db") as database:
        for account, until_ms in (("apiyi#0a1b2c", now_ms + 3_600_000), ("apiyi#ffffff", now_ms - 1)):
            values = (account, "apiyi", "payment", "the account is out of credit", 2, now_ms - 5000, until_ms)
            database.execute("INSERT INTO circuit VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    database.close()
    ran = await asyncio.to_thread(dailies, tmp_path, "doctor", "--json")
    (check,) = checks(ran, "apiyi#")
    until = datetime.fromtimestamp((now_ms + 3_600_000) / 1000, UTC)
    assert (ran.status, check["name"], check["verdict"]) == (0, "apiyi#0a1b2c", "warning")
    assert check["detail"] == f"gets no jobs until {until:%Y-%m-%d %H:%M} UTC (payment): the account is out of credit."


async def test_the_json_has_its_keys_and_people_read_the_same(tmp_path: Path, provider: apiyi.Provider) -> None:
    ran = await looked(tmp_path, provider)
    assert {tuple(check) for check in ran.value["checks"]} == {("name", "verdict", "detail", "mend")}
    assert json.loads(ran.out)["ok"] is True
