"""A page of what the sandbox's members saw, made from its stored messages and nothing else."""

import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from bot.sandbox.drawing import Drawing
from bot.sandbox.markdown import Markdown
from bot.sandbox.markup import element
from bot.sandbox.records import Attachment, Channel, Message, MessageFlag
from bot.sandbox.world import World

JOIN_WITHIN_MS = 7 * 60 * 1000
_EYE = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 5C7 5 3 9.500 2 12c1 2.500 5 7 10 7s9-4.500 10-7'
    "c-1-2.500-5-7-10-7zm0 11.500a4.500 4.500 0 1 1 0-9 4.500 4.500 0 0 1 0 9zm0-2.500a2 2 0 1 0 0-4 2 2 0 0 0 0 4z"
    '"/></svg>'
)


def write_transcript(world: World, out_dir: Path, *, title: str = "Dailies: a session") -> Path:
    """Write transcript.html, the clips beside it and the other files it shows into assets/."""
    out_dir.mkdir(parents=True, exist_ok=True)
    page = Page(world=world, files=ShownFiles(out_dir=out_dir))
    place = out_dir / "transcript.html"
    place.write_text(page.html(title), encoding="utf-8")
    return place


class ShownFiles:
    """Copies what the page shows: the bot's clips under their own names, everything else into assets/."""

    def __init__(self, *, out_dir: Path) -> None:
        self._out_dir = out_dir
        self._links: dict[int, str] = {}

    def link(self, attachment: Attachment, *, clip: bool = False) -> str:
        if attachment.id not in self._links:
            self._links[attachment.id] = self._copy(attachment, clip=clip)
        return self._links[attachment.id]

    def _copy(self, attachment: Attachment, *, clip: bool) -> str:
        if clip and attachment.content_type == "video/mp4":
            name = attachment.filename
            if name in self._links.values():
                name = f"{Path(name).stem}-{attachment.id}.mp4"
        else:
            name = f"assets/{attachment.id}-{attachment.filename}"
        target = self._out_dir / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(attachment.path, target)
        return name


class Page:
    """Puts the drawn messages in order: channels, each with its threads after it."""

    def __init__(self, *, world: World, files: ShownFiles) -> None:
        self._world = world
        self._markdown = Markdown(world=world)
        self._drawing = Drawing(world=world, markdown=self._markdown, link=files.link)

    def html(self, title: str) -> str:
        places = list(self._places())
        body = "".join(map(self._place, places)) or '<p class="empty">Nothing was said.</p>'
        guilds = ", ".join(escape(guild.name) for guild in self._world.stored.guilds.values())
        style = Path(__file__).with_name("transcript.css").read_text(encoding="utf-8")
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(title)}</title><style>{style}</style></head>"
            f'<body><div class="page"><aside class="side"><h1>{guilds}</h1>'
            f'<nav aria-label="Channels">{"".join(map(_entry, places))}</nav>'
            f"<p>{escape(title)}. Times are UTC.</p></aside><main>{body}</main></div></body></html>\n"
        )

    def _places(self) -> Iterator[Channel]:
        for channel in sorted(self._world.stored.channels.values(), key=lambda item: item.id):
            if not channel.is_thread:
                places = [channel, *self._world.threads(channel.id)]
                yield from (place for place in places if self._world.messages(place.id))

    def _place(self, channel: Channel) -> str:
        messages = self._world.messages(channel.id)
        return (
            f'<section class="place" id="c{channel.id}"><header><span class="hash">{_sign(channel)}</span>'
            f"<h2>{escape(channel.name)}</h2>{self._where(channel)}</header>"
            f'<div class="messages">{"".join(self._conversation(messages))}</div></section>'
        )

    def _where(self, channel: Channel) -> str:
        if not channel.is_thread or channel.parent_id not in self._world.stored.channels:
            return ""
        states = [word for word, so in (("archived", channel.archived), ("locked", channel.locked)) if so]
        words = [f"thread in {self._markdown.channel_link(channel.parent_id)}", *states]
        return element("small", " · ".join(words))

    def _conversation(self, messages: Sequence[Message]) -> Iterator[str]:
        before: Message | None = None
        for message in messages:
            if before is None or _day(before) != _day(message):
                yield f'<div class="day" role="separator">{_day(message)}</div>'
                before = None
            yield self._message(message, joined=self._joined(before, message))
            before = message

    def _joined(self, before: Message | None, message: Message) -> bool:
        """A message soon after one by the same author needs no name again."""
        return (
            before is not None
            and before.author_id == message.author_id
            and before.visible_to == message.visible_to
            and message.created_ms - before.created_ms < JOIN_WITHIN_MS
            and message.reference_id is None
            and not self._drawing.called_by(message)
        )

    def _message(self, message: Message, *, joined: bool) -> str:
        kinds = ["message"] + ["joined"] * joined + ["ephemeral"] * message.ephemeral
        return element(
            "article",
            self._drawing.call(message),
            self._reply(message),
            "" if joined else self._byline(message),
            self._content(message),
            self._branch(message),
            self._seen_by(message),
            class_=" ".join(kinds),
            id=f"m{message.id}",
        )

    def _byline(self, message: Message) -> str:
        author = self._world.stored.users[message.author_id]
        app = element("span", "APP", class_="app") if author.bot else ""
        moment = datetime.fromtimestamp(message.created_ms / 1000, UTC)
        time = element("time", f"{moment:%H:%M}", datetime=moment.isoformat())
        return self._drawing.avatar(author) + element("div", element("b", escape(author.name)), app, time, class_="by")

    def _content(self, message: Message) -> str:
        if message.loading:
            return f'<p class="thinking">{escape(self._world.bot.name)} is thinking…</p>'
        if message.flags & MessageFlag.COMPONENTS_V2:
            return self._drawing.components(message)
        text = self._markdown.html(message.content)
        edited = '<span class="edited">(edited)</span>' if message.edited_ms else ""
        return (
            f'<div class="text">{text}{edited}</div>{self._drawing.attachments(message)}'
            f"{self._drawing.embeds(message)}{self._drawing.components(message)}"
        )

    def _reply(self, message: Message) -> str:
        if message.reference_id is None:
            return ""
        replied = self._world.stored.messages.get(message.reference_id)
        if replied is None:
            return '<p class="reply">↰ Original message was deleted</p>'
        name = escape(self._world.stored.users[replied.author_id].name)
        excerpt = self._markdown.inline(replied.content.partition("\n")[0]) or "an attachment"
        return f'<p class="reply">↰ <a href="#m{replied.id}">@{name}</a> {excerpt}</p>'

    def _branch(self, message: Message) -> str:
        thread = self._world.stored.channels.get(message.thread_id or 0)
        if thread is None:
            return ""
        count = len(self._world.messages(thread.id))
        link = f'<a href="#c{thread.id}">{count} message{"" if count == 1 else "s"}</a>'
        return f'<div class="branch"><b>{escape(thread.name)}</b>{link}</div>'

    def _seen_by(self, message: Message) -> str:
        if message.visible_to is None:
            return ""
        name = escape(self._world.stored.users[message.visible_to].name)
        return f'<p class="seen">{_EYE}Only you can see this <span>({name})</span></p>'


def _entry(channel: Channel) -> str:
    kind = ' class="thread"' if channel.is_thread else ""
    return f'<a{kind} href="#c{channel.id}"><span>{_sign(channel)}</span><span>{escape(channel.name)}</span></a>'


def _sign(channel: Channel) -> str:
    return "@" if channel.guild_id is None else "↳" if channel.is_thread else "#"


def _day(message: Message) -> str:
    return f"{datetime.fromtimestamp(message.created_ms / 1000, UTC):%d %B %Y}".lstrip("0")
