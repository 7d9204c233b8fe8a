"""Negative controls for registered commands."""

from typing import Any

import pytest

from bot.sandbox.records import Json
from bot.sandbox.refusal import Reason, Rule
from tests.sandbox.rig import Raw, Scene, refused


def option(**fields: Any) -> Json:
    return {"type": 3, "name": "prompt", "description": "x"} | fields


def command(**fields: Any) -> Json:
    return {"type": 1, "name": "generate", "description": "x"} | fields


WRONG_COMMANDS: dict[str, Any] = {
    "26 options": [command(options=[option(name=f"o{n}") for n in range(26)])],
    "required after optional": [command(options=[option(), option(name="b", required=True)])],
    "upper-case name": [command(name="Generate")],
    "name with a space": [command(name="make it")],
    "name too long": [command(name="x" * 33)],
    "no description": [command(description="")],
    "description too long": [command(description="x" * 101)],
    "text too long": [command(options=[option(max_length=6001)])],
    "26 choices": [command(options=[option(choices=[{"name": f"{n}", "value": f"{n}"} for n in range(26)])])],
    "choice of the wrong kind": [command(options=[option(choices=[{"name": "n", "value": 5}])])],
    "choices and autocomplete": [command(options=[option(autocomplete=True, choices=[{"name": "n", "value": "v"}])])],
    "option twice": [command(options=[option(), option()])],
    "unknown option type": [command(options=[option(type=12)])],
    "number beyond 2^53": [command(options=[option(type=4, max_value=2**53)])],
    "8001 characters": [
        command(
            options=[option(name=f"o{n}", choices=[{"name": "x" * 100, "value": "y" * 100}] * 25) for n in range(2)]
        )
    ],
    "command twice": [command(), command()],
    "menu with a description": [command(type=3)],
    "misspelt field": [command(default_permissions="8")],
    "unknown file type": [command(options=[option(type=11, file_types=["mp4"])])],
    "101 commands": [command(name=f"c{n}") for n in range(101)],
    "not a list": {"name": "generate"},
}


@pytest.mark.parametrize("name", WRONG_COMMANDS)
async def test_a_wrong_registration_is_refused_as_a_whole(scene: Scene, raw: Raw, name: str) -> None:
    path = f"/applications/{scene.world.application_id}/commands"
    assert (await raw("PUT", path, [command()])).status == 200
    await refused(scene, raw, Reason.INVALID_FORM, "PUT", path, WRONG_COMMANDS[name], rule=Rule.INVALID_BODY)


async def test_25_options_with_15_files_are_registered(scene: Scene, raw: Raw) -> None:
    options = [
        option(required=True),
        *(option(type=11, name=f"image{n}", file_types=["image", ".heic"]) for n in range(24)),
    ]
    path = f"/applications/{scene.world.application_id}/guilds/{scene.guild.id}/commands"
    registered = await raw("PUT", path, [command(options=options)])
    assert registered.status == 200
    assert (await raw("GET", path)).body == registered.body
