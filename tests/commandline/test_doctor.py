"""`dailies doctor`, and the starts that it would have warned of."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.commandline.rig import Ran, dailies, several

TOKEN = "canary-token"


def checks(ran: Ran) -> dict[str, dict[str, str]]:
    assert set(ran.value) == {"ok", "checks"}
    return {check["name"]: check for check in ran.value["checks"]}


def test_a_fresh_folder_is_in_order(tmp_path: Path) -> None:
    ran = dailies(tmp_path, "doctor", "--json")
    assert (ran.status, ran.value["ok"]) == (0, True)
    found = checks(ran)
    assert {"settings", "data folder", "database", "sqlite", "encoders", "token", "animatic", "public url"} == set(
        found
    )
    assert "DAILIES_DISCORD_TOKEN" in found["token"]["mend"]
    assert list(tmp_path.iterdir()) == []


def test_people_read_a_line_for_each(tmp_path: Path) -> None:
    ran = dailies(tmp_path, "doctor")
    assert (ran.status, ran.err, len(ran.out.splitlines())) == (0, "", 8)


@pytest.mark.parametrize("content", [b"not a database at all, and long enough to be one" * 100, b"SQLite"])
def test_a_damaged_database_is_told_with_the_mend(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dailies.db").write_bytes(content)
    looks = (("jobs",), ("ledger", "verify"), ("backup", "copy.db"), ("generate", "a fox"))
    ran, *others = several(tmp_path, ("doctor", "--json"), *looks)
    assert (ran.status, ran.value["ok"]) == (1, False)
    database = checks(ran)["database"]
    assert database["verdict"] == "failed"
    assert "Restore a backup" in database["mend"]
    assert (tmp_path / "data" / "dailies.db").read_bytes() == content
    for looked in others:
        assert (looked.status, looked.out, len(looked.sentences)) == (1, "", 1)


def test_a_folder_that_is_none_is_told_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    ran = dailies(tmp_path, "doctor", "--json")
    assert ran.status == 1
    assert "DAILIES_DATA_DIR" in checks(ran)["data folder"]["mend"]


def test_bad_settings_are_told_as_checks(tmp_path: Path) -> None:
    ran = dailies(tmp_path, "doctor", "--json", DAILIES_WEB_PORT="canary", DAILIES_DATADIR="canary")
    assert (ran.status, ran.value["ok"]) == (3, False)
    assert [check["name"] for check in ran.value["checks"]] == ["settings", "settings"]
    assert "canary" not in ran.out + ran.err


def test_an_enabled_provider_without_a_key_is_told_with_the_mend(tmp_path: Path) -> None:
    ran = dailies(tmp_path, "doctor", "--json", DAILIES_PROVIDER_ORDER="unifically,animatic")
    assert ran.status == 1
    assert "DAILIES_PROVIDERS__UNIFICALLY__API_KEY" in checks(ran)["unifically"]["mend"]


@pytest.fixture
async def discord() -> AsyncIterator[tuple[dict[str, Any], dict[str, str]]]:
    """A server that knows one question, and the settings that lead to it; what it answers can be changed."""
    answer: dict[str, Any] = {"status": 200, "body": {"id": "1", "username": "Clapperboard"}}

    async def me(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bot {TOKEN}"
        return web.json_response(answer["body"], status=answer["status"])

    app = web.Application()
    app.router.add_get("/api/v10/users/@me", me)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"127.0.0.1:{runner.addresses[0][1]}"
    yield (
        answer,
        {
            "DAILIES_DISCORD_TOKEN": TOKEN,
            "DAILIES_DISCORD_API_URL": f"http://{host}/api/v10",
            "DAILIES_DISCORD_GATEWAY_URL": f"ws://{host}/gateway",
        },
    )
    await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "body", "exit_status", "detail"),
    [
        (200, {"username": "Clapperboard"}, 0, "the bot is Clapperboard"),
        (200, ["a list"], 1, "Discord answered 200."),
        (401, {"message": "401: Unauthorized"}, 1, "Discord did not accept it."),
        (503, {}, 1, "Discord answered 503."),
    ],
)
async def test_the_token_is_tried(
    tmp_path: Path,
    discord: tuple[dict[str, Any], dict[str, str]],
    status: int,
    body: object,
    exit_status: int,
    detail: str,
) -> None:
    answer, settings = discord
    answer.update(status=status, body=body)
    ran = await asyncio.to_thread(dailies, tmp_path, "doctor", "--json", **settings)
    assert ran.status == exit_status
    assert checks(ran)["token"]["detail"] == detail
    assert bool(checks(ran)["token"]["mend"]) is (exit_status != 0)
    assert TOKEN not in ran.out + ran.err


async def test_run_with_a_refused_token_names_the_variable(
    tmp_path: Path, discord: tuple[dict[str, Any], dict[str, str]]
) -> None:
    answer, settings = discord
    answer.update(status=401, body={"message": "401: Unauthorized", "code": 0})
    ran = await asyncio.to_thread(dailies, tmp_path, "run", DAILIES_WEB_PORT="0", **settings)
    assert (ran.status, ran.out) == (3, "")
    assert ran.sentences[-1].startswith("DAILIES_DISCORD_TOKEN: Discord did not accept it")
    assert TOKEN not in ran.err


def test_run_without_a_token_names_the_variable(tmp_path: Path) -> None:
    ran = dailies(tmp_path, "run")
    assert (ran.status, ran.out) == (3, "")
    assert ran.sentences == ["DAILIES_DISCORD_TOKEN: is not set; copy it from Discord's developer page"]


def test_run_and_doctor_without_discord_say_so(tmp_path: Path, free_port: int) -> None:
    settings = {
        "DAILIES_DISCORD_TOKEN": TOKEN,
        "DAILIES_DISCORD_API_URL": f"http://127.0.0.1:{free_port}/api/v10",
        "DAILIES_DISCORD_GATEWAY_URL": f"ws://127.0.0.1:{free_port}",
    }
    ran = dailies(tmp_path, "run", DAILIES_WEB_PORT="0", **settings)
    assert (ran.status, ran.sentences[-1]) == (1, "Discord could not be reached. `dailies doctor` tells more.")
    looked = dailies(tmp_path, "doctor", "--json", **settings)
    assert (looked.status, checks(looked)["token"]["detail"]) == (1, "Discord could not be reached.")


def test_run_on_a_taken_web_port_names_the_variable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = dailies(tmp_path, "run", DAILIES_DISCORD_TOKEN=TOKEN, DAILIES_WEB_PORT=port)
    assert ran.status == 3
    assert ran.sentences[-1] == "DAILIES_WEB_HOST, DAILIES_WEB_PORT: address already in use"
