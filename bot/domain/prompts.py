"""The prompt: cleaned once, then checked against what is attached."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.request_errors import MentionWithoutReferenceError, PromptMissingError, PromptTooLongError
from bot.domain.slots import Slot, mentions

PROMPT_CHARS_MAX = 2000
"""The specification of `apiyi` (2026-04) names it; the other providers of 720p clips document no limit."""

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptAdvice:
    """How long a prompt should be: no limit, but a provider's advice."""

    cjk_chars: int
    words: int

    def against(self, prompt: str) -> str | None:
        """What it says to a prompt that is longer, as the end of a sentence."""
        cjk = sum(_is_cjk(c) for c in prompt)
        words = len("".join(" " if _is_cjk(c) else c for c in prompt).split())
        if cjk > self.cjk_chars:
            return f"at most {self.cjk_chars:,} Chinese characters; this prompt has {cjk:,}."
        return f"at most {self.words:,} words; this prompt has {words:,}." if words > self.words else None


def _is_cjk(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" or "\U00020000" <= character <= "\U0003ffff"


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
