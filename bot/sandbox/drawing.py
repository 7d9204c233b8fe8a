"""The parts of a drawn message: who called it, files, embeds, buttons and layouts."""

from collections.abc import Callable
from html import escape
from typing import Any, Protocol

from bot.sandbox.component_rules import SELECTS, Component, walk
from bot.sandbox.interactions import leaf_options
from bot.sandbox.markdown import Markdown
from bot.sandbox.markup import element, image, optional, player
from bot.sandbox.payloads import embedded_file
from bot.sandbox.records import Attachment, Interaction, InteractionType, Json, Message, User
from bot.sandbox.world import World

_COLOURS = ("#5865f2", "#3ba55c", "#c9690e", "#d83c6a", "#8e5bd6", "#1f8b9d", "#b3435d", "#4f7d2a")
_KIBIBYTE = 1024


class Link(Protocol):
    """Copies a file beside the page and says where it is."""

    def __call__(self, attachment: Attachment, *, clip: bool = False) -> str: ...


class Drawing:
    """Draws the parts of messages of one world."""

    def __init__(self, *, world: World, markdown: Markdown, link: Link) -> None:
        self._world = world
        self._markdown = markdown
        self._link = link

    def avatar(self, user: User, *, small: bool = False) -> str:
        """Draw initials on a colour; users take the colours in turn, so that neighbours differ."""
        initials = "".join(word[0] for word in user.name.split()[:2]).upper() or "?"
        colour = _COLOURS[list(self._world.stored.users).index(user.id) % len(_COLOURS)]
        shown = initials[:1] if small else initials
        kinds = "avatar small" if small else "avatar"
        return element("span", escape(shown), class_=kinds, style=f"background: {colour}", aria_hidden="true")

    # What a member did to call the message.

    def called_by(self, message: Message) -> Interaction | None:
        """The interaction whose first remaining message this is."""
        interaction = self._world.stored.interactions.get(message.interaction_id or 0)
        if interaction is None:
            return None
        left = [number for number in interaction.message_ids if number in self._world.stored.messages]
        return interaction if left[:1] == [message.id] else None

    def call(self, message: Message) -> str:
        interaction = self.called_by(message)
        if interaction is None:
            return ""
        user = interaction.member.user
        entries = (
            element("li", element("span", escape(name)), " ", escape(text)) for name, text in self._entries(interaction)
        )
        who = element("b", escape(user.name))
        return element(
            "div",
            element("p", self.avatar(user, small=True), who, self._deed(interaction), class_="who"),
            optional("ul", "".join(entries), class_="entries"),
            self._references(interaction),
            class_="call",
        )

    def _deed(self, interaction: Interaction) -> str:
        if interaction.type is InteractionType.COMPONENT:
            return f'clicked <span class="command">{escape(self._label(interaction))}</span>'
        if interaction.type is InteractionType.MODAL_SUBMIT:
            return "sent a form"
        slash = "/" if interaction.data.get("type") == 1 else ""
        return f'used <span class="command">{slash}{escape(command_name(interaction.data))}</span>'

    def _label(self, interaction: Interaction) -> str:
        source = self._world.stored.messages.get(interaction.source_message_id or 0)
        custom_id = interaction.data["custom_id"]
        known = {c.get("custom_id"): c.get("label") for c in walk(source.components)} if source else {}
        return str(known.get(custom_id) or "a button")

    def _entries(self, interaction: Interaction) -> list[tuple[str, str]]:
        data = interaction.data
        if interaction.type is InteractionType.MODAL_SUBMIT:
            filled = [(c["custom_id"], c.get("value")) for c in walk(data["components"]) if "custom_id" in c]
            return [(name, str(value)) for name, value in filled if value not in (None, "")]
        options = [option for option in leaf_options(data) if option["type"] != 11]  # noqa: PLR2004 - attachments follow
        return [(option["name"], self._named(option["value"], data)) for option in options]

    def _named(self, value: Any, data: Json) -> str:
        """Say a name where the option holds an id."""
        resolved: Json = data.get("resolved") or {}
        for kind, field in (("users", "username"), ("roles", "name"), ("channels", "name")):
            if value in resolved.get(kind, {}):
                return str(resolved[kind][value].get("global_name") or resolved[kind][value][field])
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)

    def _references(self, interaction: Interaction) -> str:
        slots = {option["value"]: option["name"] for option in leaf_options(interaction.data)}
        drawn = "".join(self._reference(item, slots.get(str(item.id), item.filename)) for item in interaction.uploads)
        return optional("div", drawn, class_="references")

    def _reference(self, attachment: Attachment, name: str) -> str:
        link, family = self._link(attachment), family_of(attachment)
        label = f"{name}: {attachment.filename}"
        match family:
            case "image":
                drawn = image(link, label)
            case "video" | "audio":
                drawn = player(family, link, label)
            case _:
                drawn = element("a", escape(attachment.filename), href=link)
        return element(
            "figure", drawn, element("figcaption", escape(label)), class_="wide" if family == "audio" else ""
        )

    # Files.

    def attachments(self, message: Message) -> str:
        """A file that an embed shows is not shown a second time."""
        inside = [embedded_file(message, embed.get("image")) for embed in message.embeds]
        drawn = "".join(self._attachment(message, item) for item in message.attachments if item not in inside)
        return optional("div", drawn, class_="media")

    def _attachment(self, message: Message, attachment: Attachment) -> str:
        link = self._link(attachment, clip=message.author_id == self._world.bot.id)
        label = attachment.description or attachment.filename
        shape = f"--shape: {attachment.width} / {attachment.height}" if attachment.width else ""
        match family_of(attachment):
            case "image":
                drawn = image(link, label)
            case "video":
                drawn = player("video", link, label, style=shape)
            case "audio":
                drawn = player("audio", link, label)
            case _:
                size = element("small", f"{attachment.size / _KIBIBYTE:.1f} KiB")
                named = element("a", escape(attachment.filename), href=link)
                return element("div", element("div", named, size), class_="file")
        alt = element("span", "ALT", class_="alt") + escape(label) if attachment.description else ""
        return element("figure", drawn, optional("figcaption", alt))

    # Embeds.

    def embeds(self, message: Message) -> str:
        return "".join(self._embed(message, embed) for embed in message.embeds)

    def _embed(self, message: Message, embed: Json) -> str:
        colour = embed.get("color")
        footer = str((embed.get("footer") or {}).get("text") or "")
        return element(
            "div",
            optional("b", self._markdown.inline(embed.get("title") or "")),
            optional("div", self._markdown.html(embed.get("description") or "")),
            optional("div", "".join(map(self._field, embed.get("fields") or [])), class_="fields"),
            self._embed_image(message, embed),
            optional("p", escape(footer), class_="subtext"),
            class_="embed",
            style=f"border-color: #{colour:06x}" if isinstance(colour, int) else "",
        )

    def _embed_image(self, message: Message, embed: Json) -> str:
        shown = embedded_file(message, embed.get("image"))
        return optional("div", self._attachment(message, shown) if shown else "", class_="media")

    def _field(self, field: Json) -> str:
        name = element("b", self._markdown.inline(field["name"]))
        return element("div", name, self._markdown.html(field["value"]), class_="" if field.get("inline") else "full")

    # Buttons and layouts.

    def components(self, message: Message) -> str:
        return "".join(self._component(message, component) for component in message.components)

    def _component(self, message: Message, component: Json) -> str:
        kind = component["type"]
        if kind in SELECTS:
            placeholder = escape(component.get("placeholder") or "Make a selection")
            return element("span", placeholder, element("span", "▾"), class_="select")
        inside = "".join(self._component(message, child) for child in component.get("components") or ())
        plain: dict[int, Callable[[], str]] = {
            Component.ACTION_ROW: lambda: f'<div class="row">{inside}</div>',
            Component.BUTTON: lambda: button(component),
            Component.TEXT_DISPLAY: lambda: f'<div class="text">{self._markdown.html(component["content"])}</div>',
            Component.SEPARATOR: lambda: "<hr>",
            Component.SECTION: lambda: self._section(message, component, inside),
            Component.CONTAINER: lambda: self._container(component, inside),
            Component.MEDIA_GALLERY: lambda: self._gallery(message, component),
            Component.FILE: lambda: self._media(message, component["file"]),
            Component.THUMBNAIL: lambda: self._media(message, component["media"]),
        }
        return plain[kind]() if kind in plain else ""

    def _section(self, message: Message, component: Json, inside: str) -> str:
        beside = self._component(message, component["accessory"]) if "accessory" in component else ""
        return f'<div class="section"><div>{inside}</div>{beside}</div>'

    def _container(self, component: Json, inside: str) -> str:
        colour = component.get("accent_color")
        accent = f' style="--accent: #{colour:06x}"' if isinstance(colour, int) else ""
        return f'<div class="container"{accent}>{inside}</div>'

    def _gallery(self, message: Message, component: Json) -> str:
        items = "".join(self._media(message, item["media"]) for item in component["items"])
        return f'<div class="gallery">{items}</div>'

    def _media(self, message: Message, media: Json) -> str:
        """A layout shows an attachment by `attachment://name`; other addresses are not fetched."""
        found = embedded_file(message, media)
        return self._attachment(message, found) if found else f"<code>{escape(str(media.get('url', '')))}</code>"


def button(component: Json) -> str:
    style = component.get("style")
    off = " off" if component.get("disabled") else ""
    emoji = escape(str((component.get("emoji") or {}).get("name") or ""))
    label = escape(component.get("label") or "")
    inner = " ".join(part for part in (emoji, label, "↗" if style == 5 else "") if part)  # noqa: PLR2004 - a link
    return f'<span class="button s{int(style or 2)}{off}">{inner}</span>'


def family_of(attachment: Attachment) -> str:
    return attachment.content_type.partition("/")[0]


def command_name(data: Json) -> str:
    """The whole name, subcommands included."""
    options: list[Json] = data.get("options") or []
    inner = next((option for option in options if "options" in option), None)
    return f"{data['name']} {command_name(inner)}" if inner else str(data["name"])
