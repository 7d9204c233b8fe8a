"""The second opinion on every body: Discord's published schema, where that file is at hand.

The file is https://github.com/discord/discord-api-spec (specs/openapi.json); it is not part of this repository.
"""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.sandbox.records import Json
from bot.sandbox.refusal import Reason, RefusedError, Rule, error_tree

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

PLACE_VARIABLE = "DISCORD_OPENAPI"
_MULTIPART = "application~1json"


def place_of_schema(environment: Mapping[str, str]) -> Path | None:
    """Where the environment says the file is."""
    place = environment.get(PLACE_VARIABLE)
    return Path(place) if place else None


class PublishedSchema:
    """Checks request bodies; `skipped` says why it does not."""

    def __init__(self, *, place: Path | None) -> None:
        self._spec: Json = {}
        self._validators: dict[str, Draft202012Validator] = {}
        self.skipped = _reason_to_skip(place)
        if place is not None and self.skipped is None:
            self._spec = json.loads(place.read_bytes())

    def check(self, method: str, template: str, body: Any) -> None:
        """Refuse a body that the published schema does not allow; a route it does not list passes."""
        operation = self._spec.get("paths", {}).get(template, {}).get(method.lower(), {})
        if "application/json" not in operation.get("requestBody", {}).get("content", {}):
            return
        pointer = f"#/paths/{template.replace('/', '~1')}/{method.lower()}/requestBody/content/{_MULTIPART}/schema"
        error = next(self.validator(pointer).iter_errors(as_documented(body)), None)
        if error is not None:
            path = ".".join(str(part) for part in error.absolute_path)
            wrong = {path: ("PUBLISHED_SCHEMA", error.message[:300])}
            raise RefusedError(Reason.INVALID_FORM, rule=Rule.PUBLISHED_SCHEMA, errors=error_tree(wrong))

    def validator(self, pointer: str) -> "Draft202012Validator":
        """Build a validator for one place in the file, once."""
        from jsonschema import Draft202012Validator  # noqa: PLC0415 - a development dependency, absent in use
        from referencing import Registry, Resource  # noqa: PLC0415 - comes with jsonschema
        from referencing.jsonschema import DRAFT202012  # noqa: PLC0415 - comes with jsonschema

        if pointer not in self._validators:
            resource: Resource[Any] = Resource.from_contents(self._spec, default_specification=DRAFT202012)
            registry: Registry[Any] = Registry().with_resource("urn:discord", resource)
            self._validators[pointer] = Draft202012Validator({"$ref": f"urn:discord{pointer}"}, registry=registry)
        return self._validators[pointer]


def as_documented(body: Any) -> Any:
    """Write ids as text where the documents allow numbers but the file does not.

    `attachments[].id` is "snowflake or number" (https://docs.discord.com/developers/reference#uploading-files), and
    the library writes other ids as numbers, which any snowflake may be: in `allowed_mentions`, `message_reference`
    and `recipient_id`.
    """
    body = copy.deepcopy(body)
    for message in (body, body.get("data")) if isinstance(body, dict) else ():
        if isinstance(message, dict):
            _write_ids(message)
    return body


def _write_ids(message: Json) -> None:
    reference, allowed = message.get("message_reference"), message.get("allowed_mentions")
    for attachment in message.get("attachments") or ():
        _as_text(attachment, "id")
    _as_text(reference, "message_id", "channel_id", "guild_id")
    _as_text(message, "recipient_id")
    for name in ("users", "roles"):
        if isinstance(allowed, dict) and isinstance(allowed.get(name), list):
            allowed[name] = [str(item) for item in allowed[name]]


def _as_text(holder: Any, *names: str) -> None:
    for name in names:
        if isinstance(holder, dict) and type(holder.get(name)) is int:
            holder[name] = str(holder[name])


def _reason_to_skip(place: Path | None) -> str | None:
    if place is None:
        return f"{PLACE_VARIABLE} does not name Discord's openapi.json"
    if not place.is_file():
        return f"{PLACE_VARIABLE} names {place}, which is not a file"
    try:
        import jsonschema  # noqa: F401, PLC0415 - a development dependency, absent in use
    except ImportError:
        return "jsonschema is not installed"
    return None
