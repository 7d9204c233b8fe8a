"""Discord's text formatting as HTML: https://docs.discord.com/developers/reference#message-formatting.

Everything a person wrote is data: it is escaped piece by piece, and only the marks known here become elements.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from bot.sandbox.world import World

DEPTH_MAX = 6
_BLOCK = re.compile(r"```(?:[\w+-]*\n)?(?P<code>.+?)```", re.DOTALL)
_INLINE = re.compile(
    r"""
      \\(?P<escaped>[*_~`|<>@#\\\[\]()-])
    | `(?P<code>[^`\n]+)`
    | <@!?(?P<user>\d{15,20})>
    | <@&(?P<role>\d{15,20})>
    | <\#(?P<channel>\d{15,20})>
    | </(?P<command>[\w\- ]{1,64}):\d+>
    | <a?:(?P<emoji>\w{2,32}):\d+>
    | <t:(?P<time>\d{1,12})(?::(?P<style>[tTdDfFR]))?>
    | https://(?:\w+\.)?discord\.com/channels/\d+/(?P<jump_channel>\d+)(?:/(?P<jump_message>\d+))?
    | \[(?P<label>[^\]\n]{1,200})\]\(<?(?P<target>https?://[^\s<>()]+)>?\)
    | <?(?P<url>https?://[^\s<>]+[^\s<>.,:;"')\]])>?
    | \*\*(?P<bold>.+?)\*\*(?!\*)
    | __(?P<underline>.+?)__(?!_)
    | ~~(?P<strike>.+?)~~
    | \|\|(?P<spoiler>.+?)\|\|
    | \*(?P<star>[^\s*](?:[^*]*[^\s*])?)\*
    | (?<!\w)_(?P<italic>[^\s_](?:[^_]*[^\s_])?)_(?!\w)
    | @(?P<everyone>everyone|here)\b
    """,
    re.VERBOSE,
)
_ELEMENTS = {"bold": "strong", "underline": "u", "strike": "s", "star": "em", "italic": "em"}
_LINE = re.compile(r"(?P<mark>-\# |\#{1,3} |> |[-*] )(?P<rest>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Markdown:
    """Renders texts of one world; mentions get their names from it."""

    world: World

    def html(self, text: str) -> str:
        pieces: list[str] = []
        end = 0
        for block in _BLOCK.finditer(text):
            pieces += [self._lines(text[end : block.start()]), f"<pre>{escape(block['code'].strip())}</pre>"]
            end = block.end()
        return "".join([*pieces, self._lines(text[end:])])

    def _lines(self, text: str) -> str:
        lines = [self._line(line) for line in text.strip("\n").split("\n")] if text.strip("\n") else []
        return "".join(lines)

    def _line(self, line: str) -> str:
        found = _LINE.fullmatch(line)
        if found is None:
            return f"<p>{self.inline(line) or '&nbsp;'}</p>"
        rest = self.inline(found["rest"])
        match found["mark"]:
            case "-# ":
                return f'<p class="subtext">{rest}</p>'
            case "> ":
                return f"<blockquote>{rest}</blockquote>"
            case "- " | "* ":
                return f'<p class="item">{rest}</p>'
            case mark:
                return f'<p class="heading h{len(mark) - 1}">{rest}</p>'

    def inline(self, text: str, depth: int = 0) -> str:
        """Format one line; marks inside marks go so deep and no deeper."""
        pieces: list[str] = []
        end = 0
        for found in _INLINE.finditer(text):
            pieces += [escape(text[end : found.start()]), self._mark(found, depth)]
            end = found.end()
        return "".join([*pieces, escape(text[end:])])

    def _mark(self, found: re.Match[str], depth: int) -> str:
        kind = found.lastgroup or ""
        text = found[kind]
        if kind in _ELEMENTS or kind == "spoiler":
            inner = self.inline(text, depth + 1) if depth < DEPTH_MAX else escape(text)
            return f"<{_ELEMENTS[kind]}>{inner}</{_ELEMENTS[kind]}>" if kind in _ELEMENTS else _span("spoiler", inner)
        simple: dict[str, Callable[[str], str]] = {
            "escaped": escape,
            "code": lambda code: f"<code>{escape(code)}</code>",
            "user": lambda number: _span("mention", f"@{escape(self._user(int(number)))}"),
            "role": lambda number: _span("mention", f"@{escape(self._role(int(number)))}"),
            "channel": lambda number: self.channel_link(int(number)),
            "command": lambda name: _span("mention", f"/{escape(name)}"),
            "emoji": lambda name: f":{escape(name)}:",
            "everyone": lambda name: _span("mention", f"@{escape(name)}"),
            "url": lambda url: _link(url, escape(url)),
        }
        if kind in simple:
            return simple[kind](text)
        if kind == "target":
            return _link(text, escape(found["label"]))
        if kind in ("time", "style"):
            return self._time(int(found["time"]), found["style"] or "f")
        return self._jump(int(found["jump_channel"]), found["jump_message"])

    def _user(self, user_id: int) -> str:
        user = self.world.stored.users.get(user_id)
        return user.name if user else "unknown-user"

    def _role(self, role_id: int) -> str:
        roles = (guild.roles.get(role_id) for guild in self.world.stored.guilds.values())
        return next((role.name for role in roles if role), "deleted-role")

    def channel_link(self, channel_id: int) -> str:
        channel = self.world.stored.channels.get(channel_id)
        if channel is None:
            return _span("mention", "#unknown")
        return f'<a class="mention" href="#c{channel.id}">#{escape(channel.name)}</a>'

    def _jump(self, channel_id: int, message_id: str | None) -> str:
        channel = self.world.stored.channels.get(channel_id)
        name = escape(channel.name) if channel else "unknown"
        anchor = f"m{message_id}" if message_id and int(message_id) in self.world.stored.messages else f"c{channel_id}"
        return f'<a class="mention" href="#{anchor}">#{name}{": a message" if message_id else ""}</a>'

    def _time(self, seconds: int, style: str) -> str:
        moment = datetime.fromtimestamp(seconds, UTC)
        shown = relative(seconds - self.world.now_ms() // 1000) if style == "R" else f"{moment:{_STYLES[style]}}"
        return f'<time datetime="{moment.isoformat()}" title="{moment:%d %B %Y %H:%M} UTC">{shown}</time>'


_STYLES = {
    "t": "%H:%M",
    "T": "%H:%M:%S",
    "d": "%d/%m/%Y",
    "D": "%d %B %Y",
    "f": "%d %B %Y %H:%M",
    "F": "%A, %d %B %Y %H:%M",
}


def relative(seconds: int) -> str:
    """Say a distance in time as a client does."""
    size = abs(seconds)
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if size >= length:
            count = size // length
            words = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"in {words}" if seconds > 0 else f"{words} ago"
    return "now"


def _span(name: str, inner: str) -> str:
    return f'<span class="{name}">{inner}</span>'


def _link(url: str, shown: str) -> str:
    return f'<a href="{escape(url)}" rel="noreferrer noopener">{shown}</a>'
