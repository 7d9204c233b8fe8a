"""How a client fills in a form: https://docs.discord.com/developers/components/reference#label."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.sandbox.component_rules import Component, walk
from bot.sandbox.options import ClientRefusalError, add_resolved, check_file_types, upload
from bot.sandbox.records import Attachment, Json
from bot.sandbox.world import World

TEXT_MAX = 4000


def fill_form(world: World, modal: Json, values: Mapping[str, Any]) -> tuple[list[Json], Json, list[Attachment]]:
    """Answer with the submitted components, what they refer to, and the uploaded files."""
    inputs = {c["custom_id"]: c for c in walk(modal["components"]) if "custom_id" in c}
    if unknown := values.keys() - inputs.keys():
        raise ClientRefusalError(f"The form has no {', '.join(sorted(unknown))}.")
    for custom_id, component in inputs.items():
        _check_input(component, values.get(custom_id))
    resolved: Json = {}
    uploads: list[Attachment] = []
    components: list[Json] = []
    for number, top in enumerate(modal["components"], start=1):
        if top["type"] == Component.LABEL:
            filled = _filled(world, top["component"], values, resolved, uploads)
            components.append({"type": int(Component.LABEL), "id": number, "component": filled})
        elif top["type"] == Component.ACTION_ROW:
            row = [_filled(world, child, values, resolved, uploads) for child in top["components"]]
            components.append({"type": int(Component.ACTION_ROW), "id": number, "components": row})
        else:
            components.append({"type": top["type"], "id": number})
    return components, resolved, uploads


def _filled(
    world: World, component: Json, values: Mapping[str, Any], resolved: Json, uploads: list[Attachment]
) -> Json:
    value = values.get(component["custom_id"])
    filled: Json = {"type": component["type"], "id": component.get("id", 0), "custom_id": component["custom_id"]}
    match component["type"]:
        case Component.TEXT_INPUT:
            return filled | {"value": component.get("value") or "" if value is None else value}
        case Component.RADIO_GROUP:
            return filled | {"value": value if value is not None else _default(component)}
        case Component.CHECKBOX:
            return filled | {"value": bool(value)}
        case Component.FILE_UPLOAD:
            files = [upload(world, path) for path in value or ()]
            uploads += files
            for attachment in files:
                add_resolved(world, resolved, attachment)
            return filled | {"values": [str(attachment.id) for attachment in files]}
        case _:
            return filled | {"values": list(value or ())}


def _default(component: Json) -> str | None:
    return next((option["value"] for option in component["options"] if option.get("default")), None)


def _check_input(component: Json, value: Any) -> None:
    custom_id, kind = component["custom_id"], component["type"]
    missing = value is None or value in ("", [], ())
    prefilled = bool(component.get("value")) or (kind == Component.RADIO_GROUP and _default(component) is not None)
    if missing and kind != Component.CHECKBOX:
        if component.get("required", True) and not prefilled:
            raise ClientRefusalError(f"{custom_id} is required.")
        return
    if kind == Component.TEXT_INPUT:
        _check_text(component, value)
    elif kind == Component.RADIO_GROUP:
        _check_offered(component, [value])
    elif kind == Component.FILE_UPLOAD:
        _check_count(component, value)
        for path in value:
            check_file_types(custom_id, component.get("file_types") or [], Path(path))
    elif kind != Component.CHECKBOX:
        _check_count(component, value)
        _check_offered(component, value)


def _check_text(component: Json, value: Any) -> None:
    least, most = component.get("min_length") or 0, component.get("max_length") or TEXT_MAX
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise ClientRefusalError(f"{component['custom_id']} takes {least} to {most} characters.")


def _check_count(component: Json, value: Any) -> None:
    least, most = component.get("min_values", 1), component.get("max_values", 1)
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise ClientRefusalError(f"{component['custom_id']} takes {least} to {most} items.")


def _check_offered(component: Json, values: Any) -> None:
    offered = [option["value"] for option in component.get("options") or ()]
    if offered and not set(values) <= set(offered):
        raise ClientRefusalError(f"{component['custom_id']} does not offer {values}.")
