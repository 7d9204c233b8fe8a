"""`dailies generate` with a paid provider: a real server that checks the key and fetches the links."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.commandline.rig import SAMPLES, Ran, assert_nothing_held, assert_sound, dailies, several
from tests.standins import unifically

CAT = str(SAMPLES / "cat.jpg")
ASKED = ("generate", "@Image1 waves", "--image", CAT, "--provider", "unifically", "--json")


@pytest.fixture
async def provider() -> AsyncIterator[unifically.Provider]:
    async with unifically.running(clip=SAMPLES / "drift.mp4") as running:
        yield running


@pytest.fixture
def settings(provider: unifically.Provider, free_port: int) -> dict[str, str]:
    return {
        "DAILIES_PROVIDERS__UNIFICALLY__API_KEY": provider.key,
        "DAILIES_PROVIDERS__UNIFICALLY__BASE_URL": provider.url,
        "DAILIES_PROVIDERS__UNIFICALLY__TYPICAL_SECONDS": "1",
        "DAILIES_PUBLIC_URL": f"http://127.0.0.1:{free_port}",
        "DAILIES_WEB_PORT": str(free_port),
    }


async def run(folder: Path, *arguments: str, **settings: str) -> Ran:
    ran = await asyncio.to_thread(dailies, folder, *arguments, **settings)
    for name, value in settings.items():
        assert value not in ran.out + ran.err or not name.endswith("API_KEY")
    return ran


async def test_a_local_file_is_fetched_by_its_signed_link_and_paid_once(
    tmp_path: Path, provider: unifically.Provider, settings: dict[str, str]
) -> None:
    ran = await run(tmp_path, *ASKED, "--out", "clip.mp4", **settings)
    job: dict[str, Any] = ran.value
    assert (ran.status, job["state"]) == (0, "DELIVERED"), ran.err
    assert (job["provider"], job["model"]) == ("unifically", "bytedance/seedance-2.0-fast")
    assert (job["quote_usd"], job["cost_usd"], job["seconds"]) == ("0.40", "0.40", 5)
    assert Path(job["video"]).read_bytes() == (SAMPLES / "drift.mp4").read_bytes()
    assert [link.startswith(settings["DAILIES_PUBLIC_URL"]) for link in provider.fetched] == [True]
    assert (len(provider.submits), provider.charged_micros) == (1, 400_000)
    shown, verdict = await asyncio.to_thread(
        several, tmp_path, ("ledger", "show", "--json"), ("ledger", "verify", "--json")
    )
    assert {(one["owner"], one["spent"], one["held"]) for one in shown.value["balances"] if one["unit"] == "usd"} == {
        ("member", "$0.40", "$0.00"),
        ("operator", "$0.40", "$0.00"),
    }
    assert_sound(verdict)


async def test_a_wrong_key_is_a_failed_job_and_frees_the_money(tmp_path: Path, settings: dict[str, str]) -> None:
    ran = await run(tmp_path, *ASKED, **settings | {"DAILIES_PROVIDERS__UNIFICALLY__API_KEY": "canary-wrong"})
    job: dict[str, Any] = ran.value
    assert (ran.status, job["state"], job["error"]["code"]) == (1, "FAILED", "provider_auth")
    assert (job["quote_usd"], job["cost_usd"], job["video"]) == ("0.40", None, None)
    await asyncio.to_thread(assert_nothing_held, tmp_path)


async def test_moderation_is_a_failed_job_in_the_providers_words(
    tmp_path: Path, provider: unifically.Provider, settings: dict[str, str]
) -> None:
    provider.fates.append(unifically.moderated())
    ran = await run(tmp_path, *ASKED[:-1], **settings)
    assert (ran.status, ran.out) == (1, "")
    assert "The image shows a real person." in ran.sentences[-1]
    await asyncio.to_thread(assert_nothing_held, tmp_path)


@pytest.mark.parametrize("cap", ["0", "0.10"])
async def test_the_operators_day_cap_binds_the_command_line(
    tmp_path: Path, provider: unifically.Provider, settings: dict[str, str], cap: str
) -> None:
    ran = await run(tmp_path, *ASKED, **settings, DAILIES_OPERATOR_DAY_CAP_USD=cap)
    job: dict[str, Any] = ran.value
    assert (ran.status, job["state"], job["error"]["code"]) == (1, "REFUSED", "quota_exceeded")
    assert "$0.40" in job["error"]["message"]
    assert provider.submits == []
    await asyncio.to_thread(assert_nothing_held, tmp_path)


async def test_without_a_key_the_variable_is_named(tmp_path: Path) -> None:
    ran = await run(tmp_path, "generate", "a fox", "--provider", "unifically")
    assert (ran.status, ran.out) == (3, "")
    assert ran.sentences == ["DAILIES_PROVIDERS__UNIFICALLY__API_KEY: is not set; Unifically needs a key"]


async def test_a_taken_web_port_is_named_and_nothing_is_sent(
    tmp_path: Path, provider: unifically.Provider, settings: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = await run(tmp_path, *ASKED, **settings | {"DAILIES_WEB_PORT": str(taken.getsockname()[1])})
    assert (ran.status, ran.value["error"]["code"]) == (3, "settings")
    assert "DAILIES_WEB_PORT: nothing can listen there: address already in use" in ran.value["error"]["message"]
    assert provider.submits == []
