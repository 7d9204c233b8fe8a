"""What buttons, rows, layouts and forms must look like: https://docs.discord.com/developers/components/reference."""

from enum import IntEnum
from typing import Any

from bot.sandbox.form import Form
from bot.sandbox.records import Json

ROWS_MAX = 5
BUTTONS_PER_ROW_MAX = 5
LAYOUT_COMPONENTS_MAX = 40
LAYOUT_TEXT_MAX = 4000
CUSTOM_ID_MAX = 100
LINK_STYLE = 5
PREMIUM_STYLE = 6


class Component(IntEnum):
    """https://docs.discord.com/developers/components/reference#component-object-component-types."""

    ACTION_ROW = 1
    BUTTON = 2
    STRING_SELECT = 3
    TEXT_INPUT = 4
    USER_SELECT = 5
    ROLE_SELECT = 6
    MENTIONABLE_SELECT = 7
    CHANNEL_SELECT = 8
    SECTION = 9
    TEXT_DISPLAY = 10
    THUMBNAIL = 11
    MEDIA_GALLERY = 12
    FILE = 13
    SEPARATOR = 14
    CONTAINER = 17
    LABEL = 18
    FILE_UPLOAD = 19
    RADIO_GROUP = 21
    CHECKBOX_GROUP = 22
    CHECKBOX = 23


SELECTS = {
    Component.STRING_SELECT,
    Component.USER_SELECT,
    Component.ROLE_SELECT,
    Component.MENTIONABLE_SELECT,
    Component.CHANNEL_SELECT,
}
INPUTS = SELECTS | {
    Component.TEXT_INPUT,
    Component.FILE_UPLOAD,
    Component.RADIO_GROUP,
    Component.CHECKBOX_GROUP,
    Component.CHECKBOX,
}
LAYOUT_TOP = {
    Component.ACTION_ROW,
    Component.SECTION,
    Component.TEXT_DISPLAY,
    Component.MEDIA_GALLERY,
    Component.FILE,
    Component.SEPARATOR,
    Component.CONTAINER,
}

_BUTTON_FIELDS = {"type", "id", "style", "label", "emoji", "custom_id", "sku_id", "url", "disabled"}
_SELECT_FIELDS = {
    *("type", "id", "custom_id", "options", "channel_types", "placeholder", "default_values"),
    *("min_values", "max_values", "disabled", "required"),
}
_LAYOUT_FIELDS: dict[int, set[str]] = {
    Component.SECTION: {"type", "id", "components", "accessory"},
    Component.TEXT_DISPLAY: {"type", "id", "content"},
    Component.THUMBNAIL: {"type", "id", "media", "description", "spoiler"},
    Component.MEDIA_GALLERY: {"type", "id", "items"},
    Component.FILE: {"type", "id", "file", "spoiler"},
    Component.SEPARATOR: {"type", "id", "divider", "spacing"},
    Component.CONTAINER: {"type", "id", "components", "accent_color", "spoiler"},
}
_INPUT_FIELDS: dict[int, set[str]] = {
    Component.TEXT_INPUT: {
        *("type", "id", "custom_id", "style", "label", "min_length", "max_length"),
        *("required", "value", "placeholder"),
    },
    Component.FILE_UPLOAD: {"type", "id", "custom_id", "min_values", "max_values", "required", "file_types"},
    Component.RADIO_GROUP: {"type", "id", "custom_id", "options", "required"},
    Component.CHECKBOX_GROUP: {"type", "id", "custom_id", "options", "min_values", "max_values", "required"},
    Component.CHECKBOX: {"type", "id", "custom_id", "default"},
}


def check_components(form: Form, value: Any, *, layout: bool) -> None:
    """Check a message's components: rows of buttons, or a layout when its flag is set."""
    custom_ids: set[str] = set()
    most = LAYOUT_COMPONENTS_MAX if layout else ROWS_MAX
    for path, item in form.items(value, "components", most=most):
        component = form.mapping(item, path)
        if component is None:
            continue
        if component.get("type") == Component.ACTION_ROW:
            _check_row(form, component, path, custom_ids)
        elif layout and component.get("type") in LAYOUT_TOP:
            _check_layout(form, component, path, custom_ids)
        else:
            form.wrong(f"{path}.type", "UNION_TYPE_CHOICES", "Not a component that may stand here.")
    if layout and isinstance(value, list):
        _check_layout_size(form, value)


def _check_row(form: Form, row: Json, path: str, custom_ids: set[str]) -> None:
    form.known(row, {"type", "id", "components"}, path)
    children = row.get("components")
    for where, item in form.items(children, f"{path}.components", least=1, most=BUTTONS_PER_ROW_MAX):
        component = form.mapping(item, where)
        if component is None:
            continue
        if component.get("type") == Component.BUTTON:
            _check_button(form, component, where, custom_ids)
        elif component.get("type") in SELECTS:
            _check_select(form, component, where, custom_ids)
            if isinstance(children, list) and len(children) > 1:
                form.wrong(where, "BASE_TYPE_BAD_LENGTH", "A select menu fills its row.")
        else:
            form.wrong(f"{where}.type", "UNION_TYPE_CHOICES", "Only buttons and select menus stand in a row.")


def _check_button(form: Form, button: Json, path: str, custom_ids: set[str]) -> None:
    form.known(button, _BUTTON_FIELDS, path)
    form.choice(button, "style", range(1, PREMIUM_STYLE + 1), path=path, required=True)
    form.text(button, "label", path=path, most=80)
    form.boolean(button, "disabled", path=path)
    style = button.get("style")
    if style == LINK_STYLE:
        form.text(button, "url", path=path, least=1, most=512, required=True)
        if button.get("custom_id") is not None:
            form.wrong(f"{path}.custom_id", "BUTTON_COMPONENT_CUSTOM_ID_URL", "A link button has no custom id.")
    elif style != PREMIUM_STYLE:
        _check_custom_id(form, button, path, custom_ids)
    if style != PREMIUM_STYLE and not button.get("label") and not button.get("emoji"):
        form.wrong(f"{path}.label", "BASE_TYPE_REQUIRED", "A button needs a label or an emoji.")


def _check_select(form: Form, select: Json, path: str, custom_ids: set[str]) -> None:
    form.known(select, _SELECT_FIELDS, path)
    _check_custom_id(form, select, path, custom_ids)
    form.text(select, "placeholder", path=path, most=150)
    form.number(select, "min_values", path=path, most=25)
    form.number(select, "max_values", path=path, least=1, most=25)
    if select.get("type") == Component.STRING_SELECT:
        _check_options(form, select, path, least=1, most=25)


def _check_options(form: Form, component: Json, path: str, *, least: int, most: int) -> None:
    if component.get("options") is None:
        form.wrong(f"{path}.options", "BASE_TYPE_REQUIRED", "This field is required")
    for where, item in form.items(component.get("options"), f"{path}.options", least=least, most=most):
        if (option := form.mapping(item, where)) is not None:
            form.known(option, {"label", "value", "description", "emoji", "default"}, where)
            form.text(option, "label", path=where, least=1, most=100, required=True)
            form.text(option, "value", path=where, least=1, most=100, required=True)
            form.text(option, "description", path=where, most=100)


def _check_custom_id(form: Form, component: Json, path: str, custom_ids: set[str]) -> None:
    form.text(component, "custom_id", path=path, least=1, most=CUSTOM_ID_MAX, required=True)
    custom_id = component.get("custom_id")
    if isinstance(custom_id, str):
        if custom_id in custom_ids:
            form.wrong(f"{path}.custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", "Custom ids must be unique.")
        custom_ids.add(custom_id)


def _check_layout(form: Form, component: Json, path: str, custom_ids: set[str]) -> None:
    kind = component.get("type")
    if kind == Component.ACTION_ROW:
        _check_row(form, component, path, custom_ids)
        return
    if kind == Component.BUTTON:
        _check_button(form, component, path, custom_ids)
        return
    if not isinstance(kind, int) or kind not in _LAYOUT_FIELDS:
        form.wrong(f"{path}.type", "UNION_TYPE_CHOICES", "Not a component that may stand here.")
        return
    form.known(component, _LAYOUT_FIELDS[kind], path)
    if kind == Component.TEXT_DISPLAY:
        form.text(component, "content", path=path, least=1, most=LAYOUT_TEXT_MAX, required=True)
    if kind == Component.MEDIA_GALLERY:
        list(form.items(component.get("items"), f"{path}.items", least=1, most=10))
    most = 3 if kind == Component.SECTION else LAYOUT_COMPONENTS_MAX
    for where, item in form.items(component.get("components"), f"{path}.components", most=most):
        if (child := form.mapping(item, where)) is not None:
            _check_layout(form, child, where, custom_ids)
    if isinstance(accessory := component.get("accessory"), dict):
        _check_layout(form, accessory, f"{path}.accessory", custom_ids)


def _check_layout_size(form: Form, components: list[Any]) -> None:
    every = walk(components)
    if len(every) > LAYOUT_COMPONENTS_MAX:
        form.wrong("components", "BASE_TYPE_BAD_LENGTH", f"At most {LAYOUT_COMPONENTS_MAX} components in total.")
    if sum(len(text) for text in display_texts(components)) > LAYOUT_TEXT_MAX:
        form.wrong("components", "BASE_TYPE_BAD_LENGTH", f"At most {LAYOUT_TEXT_MAX} characters in total.")


def check_modal(form: Form, data: Json) -> None:
    """Check a form of up to five labelled inputs."""
    form.known(data, {"custom_id", "title", "components"}, "data")
    form.text(data, "custom_id", path="data", least=1, most=CUSTOM_ID_MAX, required=True)
    form.text(data, "title", path="data", least=1, most=45, required=True)
    custom_ids: set[str] = set()
    for path, item in form.items(data.get("components"), "data.components", least=1, most=5):
        component = form.mapping(item, path)
        if component is None or component.get("type") == Component.TEXT_DISPLAY:
            continue
        if component.get("type") == Component.LABEL:
            _check_label(form, component, path, custom_ids)
        elif component.get("type") == Component.ACTION_ROW:
            for where, child in form.items(component.get("components"), f"{path}.components", least=1, most=1):
                _check_input(form, child, where, custom_ids)
        else:
            form.wrong(f"{path}.type", "UNION_TYPE_CHOICES", "A form holds labels, rows and text.")


def _check_label(form: Form, label: Json, path: str, custom_ids: set[str]) -> None:
    form.known(label, {"type", "id", "label", "description", "component"}, path)
    form.text(label, "label", path=path, least=1, most=45, required=True)
    form.text(label, "description", path=path, most=100)
    _check_input(form, label.get("component"), f"{path}.component", custom_ids)


def _check_input(form: Form, value: Any, path: str, custom_ids: set[str]) -> None:
    component = form.mapping(value, path)
    if component is None:
        return
    kind = component.get("type")
    if kind in SELECTS:
        _check_select(form, component, path, custom_ids)
        return
    if not isinstance(kind, int) or kind not in _INPUT_FIELDS:
        form.wrong(f"{path}.type", "UNION_TYPE_CHOICES", "Not an input.")
        return
    form.known(component, _INPUT_FIELDS[kind], path)
    _check_custom_id(form, component, path, custom_ids)
    if kind == Component.TEXT_INPUT:
        form.choice(component, "style", {1, 2}, path=path, required=True)
        form.number(component, "min_length", path=path, most=4000)
        form.number(component, "max_length", path=path, least=1, most=4000)
        form.text(component, "value", path=path, most=4000)
        form.text(component, "placeholder", path=path, most=100)
    if kind == Component.FILE_UPLOAD:
        form.number(component, "min_values", path=path, most=10)
        form.number(component, "max_values", path=path, least=1, most=10)
    if kind == Component.RADIO_GROUP:
        _check_options(form, component, path, least=2, most=10)
    if kind == Component.CHECKBOX_GROUP:
        _check_options(form, component, path, least=1, most=10)


def walk(components: Any) -> list[Json]:
    """List components with everything nested in them."""
    found: list[Json] = []
    for component in components if isinstance(components, list) else []:
        if isinstance(component, dict):
            found.append(component)
            found += walk(component.get("components"))
            found += walk([component[key] for key in ("accessory", "component") if key in component])
    return found


def display_texts(components: Any) -> list[str]:
    texts = (c.get("content") for c in walk(components) if c.get("type") == Component.TEXT_DISPLAY)
    return [text for text in texts if isinstance(text, str)]
