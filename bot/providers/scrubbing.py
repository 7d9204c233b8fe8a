"""Keeping secrets out of what is shown, stored and logged of another side's text."""

import json
import re
from collections.abc import Iterable
from html import escape
from urllib.parse import quote, quote_plus

REASON_CHARS_MAX = 300
PRIVATE_CHARS_MIN = 8
"""A shorter line of a prompt tells nothing, and taking it out would tear other words apart."""

_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_BACKSLASHES = re.compile(r"\\+")
_LINK = re.compile(r"(https?)(?::|%3A)(?:\\?/|%2F){2}([^\s/\\\"'<>?#%]+)[^\s\"'<>]*", re.IGNORECASE)


def scrub(text: str, secrets: Iterable[str], *, chars_max: int = REASON_CHARS_MAX) -> str:
    """A provider's text without our secrets (plain or quoted), in one line, cut to a length.

    Of links only the host stays: what is signed in them is a secret too.
    """
    text = " ".join(_INVISIBLE.sub("", text).split())
    for secret in secrets:
        if secret:
            text = re.sub(_spellings(secret), "***", text, flags=re.IGNORECASE)
    text = _LINK.sub(lambda link: f"{link[1]}://{link[2].rpartition('@')[2]}/…", text)
    return text if len(text) <= chars_max else text[: chars_max - 1].rstrip() + "…"


def _spellings(secret: str) -> str:
    """A pattern for the secret quoted as a whole, or each of its characters in its own way."""
    whole = "|".join(re.escape(form) for form in _quoted(secret))
    single = _BACKSLASHES.sub(r"\\", secret)  # a pattern for one takes a run of them, since quoting doubles them
    return f"{whole}|{''.join(_spelling(character) for character in single)}"


def _quoted(text: str) -> list[str]:
    """The text in its usual quotations, once and twice, longest first."""
    once = {text, quote(text, safe=""), quote_plus(text), escape(text), _in_json(text), _in_json(text, plain=True)}
    twice = {quote(form, safe="") for form in once} | {_in_json(form) for form in once}
    return sorted(once | twice, key=len, reverse=True)


def _in_json(text: str, *, plain: bool = False) -> str:
    return json.dumps(text, ensure_ascii=not plain)[1:-1]


def _spelling(character: str) -> str:
    """A pattern for one character, however it was quoted on its way through the other side.

    Atomic and bounded throughout: the other side also writes the text that this is matched against.
    """
    code = ord(character)
    units = character.encode("utf-16-be", "surrogatepass").hex("u", 2).split("u")
    escaped = "".join(rf"\\{{1,4}}u{unit}" for unit in units)
    percent = "".join(f"%(?:25){{0,2}}{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    entity = f"&#(?:{code}|x{code:x});|{re.escape(escape(character))}"
    plain = r"\\{1,8}+" if character == "\\" else rf"\\{{0,3}}+{re.escape(character)}"
    return f"(?>{escaped}|{percent}|{entity}|{plain})"


def without(text: str, prompt: str) -> str:
    """The text without a prompt's lines, as they are or quoted as a whole."""
    for line in prompt.splitlines():
        if len(line) >= PRIVATE_CHARS_MIN:
            for form in _quoted(line):
                text = text.replace(form, "***")
    return text
