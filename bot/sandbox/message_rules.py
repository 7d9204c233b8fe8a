"""What a message body must look like, by rules of our own: https://docs.discord.com/developers/resources/message."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.component_rules import check_components, display_texts
from bot.sandbox.form import Form, as_snowflake
from bot.sandbox.records import Json, MessageFlag, Upload
from bot.sandbox.refusal import Reason, RefusedError, Rule, broken_rule

CONTENT_MAX = 2000
FILES_MAX = 10
EMBEDS_MAX = 10
EMBED_CHARACTERS_MAX = 6000
NONCE_MAX = 25
ALT_TEXT_MAX = 1024

_COMMON = {"content", "embeds", "components", "allowed_mentions", "attachments", "flags", "tts"}
_EMBED_FIELDS = {
    *("title", "type", "description", "url", "timestamp", "color", "footer", "image", "thumbnail", "video"),
    *("provider", "author", "fields", "flags"),
}
_NOTIFYING = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.SUPPRESS_NOTIFICATIONS | MessageFlag.COMPONENTS_V2


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDoor:
    """One way in for a message: the fields it knows, the flags it takes, and whether it makes a new message."""

    fields: frozenset[str]
    flags: int | None
    creates: bool
    by_bot_token: bool


# `tts` in an edit is discord.py's own habit; Discord ignores it. An edit repeats the message's own flags.
CREATE = MessageDoor(
    fields=frozenset(_COMMON | {"nonce", "enforce_nonce", "message_reference"}),
    flags=_NOTIFYING,
    creates=True,
    by_bot_token=True,
)
EDIT = MessageDoor(fields=frozenset(_COMMON), flags=None, creates=False, by_bot_token=True)
ANSWER = MessageDoor(
    fields=frozenset(_COMMON), flags=_NOTIFYING | MessageFlag.EPHEMERAL, creates=True, by_bot_token=False
)
ANSWER_EDIT = MessageDoor(fields=frozenset(_COMMON), flags=None, creates=False, by_bot_token=False)


def check_message(body: Json, uploads: Sequence[Upload], *, door: MessageDoor, prefix: str = "") -> None:
    """Refuse a body with a wrong field, then one that breaks a rule of ours."""
    form = Form()
    form.known(body, door.fields)
    form.text(body, "content", most=CONTENT_MAX)
    form.boolean(body, "tts")
    _check_flags(form, body, door)
    layout = bool((_integer(body.get("flags")) or 0) & MessageFlag.COMPONENTS_V2)
    if layout and (body.get("content") or body.get("embeds")):
        form.wrong("flags", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", "A layout has no content or embeds.")
    _check_embeds(form, body.get("embeds"))
    check_components(form, body.get("components"), layout=layout)
    _check_attachments(form, body.get("attachments"), uploads)
    _check_allowed_mentions(form, body.get("allowed_mentions"))
    _check_nonce(form, body)
    _check_reference(form, body.get("message_reference"))
    form.finish()
    if texts_of(body) and "allowed_mentions" not in body:
        raise broken_rule(
            Rule.MISSING_ALLOWED_MENTIONS,
            f"{prefix}allowed_mentions",
            "Text without allowed_mentions pings whoever it names; say whom it may ping.",
        )


def check_not_empty(body: Json, uploads: Sequence[Upload]) -> None:
    if not (body.get("content") or body.get("embeds") or body.get("components") or uploads):
        raise RefusedError(Reason.EMPTY_MESSAGE)


def check_file_nonce(body: Json, uploads: Sequence[Upload], pattern: re.Pattern[str]) -> None:
    """Catch a nonce that the library drew at random: a retried upload would be posted twice."""
    if uploads and not pattern.fullmatch(str(body.get("nonce", ""))):
        raise broken_rule(
            Rule.RANDOM_NONCE, "nonce", f"A message with a file needs a nonce that a retry repeats: {pattern.pattern}"
        )


def texts_of(body: Json) -> list[str]:
    content = [body["content"]] if isinstance(body.get("content"), str) and body["content"] else []
    return content + display_texts(body.get("components"))


def _check_flags(form: Form, body: Json, door: MessageDoor) -> None:
    form.number(body, "flags", most=2**31 - 1)
    flags = _integer(body.get("flags"))
    if flags and door.flags is not None and flags & ~door.flags:
        form.wrong("flags", "SANDBOX_FLAGS", f"Only the bits {int(door.flags)} may be set here.")


def _check_embeds(form: Form, value: Any) -> None:
    characters = 0
    for path, item in form.items(value, "embeds", most=EMBEDS_MAX):
        if (embed := form.mapping(item, path)) is not None:
            _check_embed(form, embed, path)
            characters += embed_characters(embed)
    if characters > EMBED_CHARACTERS_MAX:
        form.wrong("embeds", "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {EMBED_CHARACTERS_MAX}")


def _check_embed(form: Form, embed: Json, path: str) -> None:
    """https://docs.discord.com/developers/resources/message#embed-object-embed-limits."""
    form.known(embed, _EMBED_FIELDS, path)
    form.text(embed, "title", path=path, most=256)
    form.text(embed, "description", path=path, most=4096)
    for part, name, most in (("footer", "text", 2048), ("author", "name", 256)):
        if isinstance(embed.get(part), dict):
            form.text(embed[part], name, path=f"{path}.{part}", most=most, required=True)
    for where, item in form.items(embed.get("fields"), f"{path}.fields", most=25):
        if (entry := form.mapping(item, where)) is not None:
            form.text(entry, "name", path=where, least=1, most=256, required=True)
            form.text(entry, "value", path=where, least=1, most=1024, required=True)


def embed_characters(embed: Json) -> int:
    entries: Any = embed.get("fields") or []
    named = [*(entries if isinstance(entries, list) else []), embed.get("footer"), embed.get("author")]
    texts = [embed.get("title"), embed.get("description")]
    texts += [entry.get(name) for entry in named if isinstance(entry, dict) for name in ("name", "value", "text")]
    return sum(len(text) for text in texts if isinstance(text, str))


def _check_attachments(form: Form, value: Any, uploads: Sequence[Upload]) -> None:
    """Every file part is declared once, every declared new file has its part; larger ids are kept attachments."""
    indices = [upload.index for upload in uploads]
    if len(indices) != len(set(indices)):
        form.wrong("files", "SANDBOX_FILES", "Two file parts have the same number.")
    if len(uploads) > FILES_MAX:
        form.wrong("files", "BASE_TYPE_MAX_LENGTH", f"Must be {FILES_MAX} or fewer in length.")
    declared: set[int] = set()
    for path, item in form.items(value, "attachments", most=FILES_MAX):
        if (entry := form.mapping(item, path)) is None:
            continue
        form.snowflake(entry, "id", path=path, required=True)
        form.text(entry, "description", path=path, most=ALT_TEXT_MAX)
        form.text(entry, "filename", path=path, least=1, most=1024)
        number = as_snowflake(entry.get("id"))
        if number is not None and number in declared:
            form.wrong(f"{path}.id", "SANDBOX_FILES", "This attachment is declared twice.")
        if number is not None and number < FILES_MAX and number not in indices:
            form.wrong(f"{path}.id", "ATTACHMENT_NOT_FOUND", f"There is no part files[{number}].")
        declared |= {number} if number is not None else set()
    for index in set(indices) - declared:
        form.wrong("attachments", "SANDBOX_FILES", f"The part files[{index}] is not declared.")


def _check_allowed_mentions(form: Form, value: Any) -> None:
    """https://docs.discord.com/developers/resources/message#allowed-mentions-object."""
    if value is None or (allowed := form.mapping(value, "allowed_mentions")) is None:
        return
    form.known(allowed, {"parse", "users", "roles", "replied_user"}, "allowed_mentions")
    form.boolean(allowed, "replied_user", path="allowed_mentions")
    for path, item in form.items(allowed.get("parse"), "allowed_mentions.parse", most=3):
        if item not in ("users", "roles", "everyone"):
            form.wrong(path, "BASE_TYPE_CHOICES", "Value must be one of ('everyone', 'roles', 'users').")
    for name in ("users", "roles"):
        for path, item in form.items(allowed.get(name), f"allowed_mentions.{name}", most=100):
            if as_snowflake(item) is None:
                form.wrong(path, "NUMBER_TYPE_COERCE", f'Value "{item}" is not snowflake.')
        if allowed.get(name) and name in (allowed.get("parse") or ()):
            form.wrong("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", f"parse and {name} exclude.")


def _check_nonce(form: Form, body: Json) -> None:
    form.boolean(body, "enforce_nonce")
    nonce = body.get("nonce")
    if isinstance(nonce, str) and len(nonce) > NONCE_MAX:
        form.wrong("nonce", "NONCE_TYPE_TOO_LONG", f"Nonce must be {NONCE_MAX} or fewer in length.")
    elif not isinstance(nonce, int | str | None) or isinstance(nonce, bool):
        form.wrong("nonce", "NONCE_TYPE_INVALID", "A nonce is text or a number.")


def _check_reference(form: Form, value: Any) -> None:
    if value is None or (reference := form.mapping(value, "message_reference")) is None:
        return
    form.known(reference, {"type", "message_id", "channel_id", "guild_id", "fail_if_not_exists"}, "message_reference")
    form.choice(reference, "type", {0}, path="message_reference")
    form.snowflake(reference, "message_id", path="message_reference", required=True)
    form.snowflake(reference, "channel_id", path="message_reference")


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
