"""Writing HTML elements: attribute values are escaped here, what stands inside is already HTML."""

from html import escape


def element(name: str, *inside: str, **attributes: str | bool) -> str:
    """Write one element; `class_` and `aria_label` become class and aria-label, True stands without a value."""
    shown = "".join(_attribute(key, value) for key, value in attributes.items() if value not in (False, ""))
    return f"<{name}{shown}>{''.join(inside)}</{name}>"


def optional(name: str, inside: str, **attributes: str | bool) -> str:
    """Write an element only when there is something to put into it."""
    return element(name, inside, **attributes) if inside else ""


def image(source: str, alt: str) -> str:
    return f'<img src="{escape(source)}" alt="{escape(alt)}" loading="lazy">'


def player(kind: str, source: str, label: str, **attributes: str | bool) -> str:
    """Write a player; a video starts a moment in, so that phones show its first picture."""
    start = "#t=0.001" if kind == "video" else ""
    fixed: dict[str, str | bool] = {"controls": True, "preload": "metadata", "playsinline": kind == "video"}
    return element(kind, src=f"{source}{start}", aria_label=label, **fixed, **attributes)


def _attribute(key: str, value: str | bool) -> str:  # noqa: FBT001 - an attribute is there, or has a value
    name = key.strip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
