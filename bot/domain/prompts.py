"""The prompt: cleaned once, then checked against what is attached."""

import unicodedata
from collections.abc import Sequence

from bot.domain.request_errors import MentionWithoutReferenceError, PromptMissingError, PromptTooLongError
from bot.domain.slots import Slot, mentions

PROMPT_CHARS_MAX = 2000
"""The specification of `apiyi` (2026-04) names it; the other providers of 720p clips document no limit."""

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}


def clean_prompt(text: str) -> str:
    """NFC, without control, zero-width and bidi characters.

    Raises PromptMissingError and PromptTooLongError.
    """
    visible = "".join(
        c for c in unicodedata.normalize("NFC", text) if c in "\n\t" or unicodedata.category(c) not in _INVISIBLE
    )
    prompt = visible.replace("\t", " ").strip()
    if not any(c.isalnum() for c in prompt):
        raise PromptMissingError
    if len(prompt) > PROMPT_CHARS_MAX:
        raise PromptTooLongError(length=len(prompt), limit=PROMPT_CHARS_MAX)
    return prompt


def check_mentions(prompt: str, attached: Sequence[Slot]) -> None:
    """Every mention needs its reference; the other way round is only noted on the card."""
    for slot in mentions(prompt):
        if slot not in attached:
            raise MentionWithoutReferenceError(mention=str(slot), present=_present(slot, attached))


def unmentioned(prompt: str, attached: Sequence[Slot]) -> list[Slot]:
    mentioned = set(mentions(prompt))
    return [slot for slot in attached if slot not in mentioned]


def _present(slot: Slot, attached: Sequence[Slot]) -> str:
    same = [str(one) for one in attached if one.kind is slot.kind]
    return (
        f"only {', '.join(same)} {'is' if len(same) == 1 else 'are'} attached"
        if same
        else f"no {slot.kind.word} is attached"
    )
