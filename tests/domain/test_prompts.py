import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.prompts import PROMPT_CHARS_MAX, clean_prompt
from bot.domain.references import Reference
from bot.domain.request_errors import (
    EndFrameAloneError,
    MentionWithoutReferenceError,
    PromptMissingError,
    PromptTooLongError,
    SlotUnknownError,
)
from bot.domain.requests import Request
from bot.domain.slots import Frame, Kind, Place, Slot, dense_names, mentions, rewrite_mentions


def image(number: int) -> Slot:
    return Slot(kind=Kind.IMAGE, number=number)


def reference(place: Place) -> Reference:
    return Reference(place=place, name="a.png", source="https://cdn.discordapp.com/a.png", declared_bytes=10)


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\u200b\u200b", "…!?"])
def test_a_prompt_without_a_word_is_refused(text: str) -> None:
    with pytest.raises(PromptMissingError, match="prompt is empty"):
        clean_prompt(text)


def test_a_prompt_one_over_the_limit_names_both_numbers() -> None:
    with pytest.raises(PromptTooLongError, match=r"2,001 characters; 2,000 is the most"):
        clean_prompt("a" * (PROMPT_CHARS_MAX + 1))
    assert len(clean_prompt("a" * PROMPT_CHARS_MAX)) == PROMPT_CHARS_MAX


def test_controls_zero_width_and_bidi_characters_are_taken_out() -> None:
    assert clean_prompt("a\u202eb\u200bc\x00d\ufeff e\u0301") == "abcd é"


@given(st.text(max_size=300))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    try:
        once = clean_prompt(text)
    except PromptMissingError:
        return
    assert clean_prompt(once) == once


def test_mentions_are_found_in_order_once_whatever_their_case() -> None:
    found = mentions("@video1 then @Image2, @IMAGE2 again; not me@image1.org, not @Image1x")
    assert [str(slot) for slot in found] == ["@Video1", "@Image2"]


@pytest.mark.parametrize("prompt", ["@Image10 runs", "@Image0 runs"])
def test_a_slot_that_cannot_exist_is_named(prompt: str) -> None:
    with pytest.raises(SlotUnknownError, match=r"is not a slot; Image slots go from @Image1 to @Image9"):
        mentions(prompt)


def test_a_mention_without_its_reference_is_named_with_what_is_there() -> None:
    references = tuple(reference(image(n)) for n in (1, 2, 3))
    with pytest.raises(MentionWithoutReferenceError, match=r"@Image4, but only @Image1, @Image2, @Image3 are attached"):
        Request(prompt="@Image4 waves", references=references)


def test_an_end_frame_needs_a_first_frame() -> None:
    with pytest.raises(EndFrameAloneError, match="needs a first frame"):
        Request(prompt="waves", references=(reference(Frame.END),))


def test_gaps_close_towards_the_provider_and_mentions_follow() -> None:
    names = dense_names([image(1), image(3), Slot(kind=Kind.VIDEO, number=2)], "[{kind} {number}]")
    assert (
        rewrite_mentions("@Image3 rides past @image1 like @Video2", names)
        == "[Image 2] rides past [Image 1] like [Video 1]"
    )


@given(st.lists(st.sampled_from([image(n) for n in range(1, 10)]), unique=True, min_size=1))
def test_dense_numbers_have_no_gap_and_keep_the_order(slots: list[Slot]) -> None:
    names = dense_names(slots, "{number}")
    assert [names[slot] for slot in sorted(slots)] == [str(n) for n in range(1, len(slots) + 1)]
