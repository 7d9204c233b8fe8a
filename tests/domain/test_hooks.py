"""Addresses for callbacks: what opens one attempt, and nothing else."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.domain.hooks import HookLinks
from bot.domain.links import LinkForgedError, sign, verify

SECRET = bytes(range(32))
LINKS = HookLinks(public_url="https://bot.example/", secret=SECRET)
ATTEMPT = "1433000000000000001-2"

attempt_ids = st.builds(lambda job_id, number: f"{job_id}-{number}", st.integers(1, 2**63 - 1), st.integers(1, 99))


def token_of(attempt_id: str, *, provider: str = "ark", links: HookLinks = LINKS) -> str:
    return links.address(provider=provider, attempt_id=attempt_id).rpartition("/")[2]


@given(attempt_ids)
def test_address_opens_its_attempt(attempt_id: str) -> None:
    address = LINKS.address(provider="ark", attempt_id=attempt_id)
    assert re.fullmatch(r"https://bot\.example/hooks/ark/[A-Za-z0-9._~-]+", address)
    assert LINKS.verify(provider="ark", token=token_of(attempt_id)) == attempt_id


@given(st.integers(min_value=0), st.characters(codec="utf-8"))
def test_address_with_any_character_changed_opens_nothing(position: int, character: str) -> None:
    token = token_of(ATTEMPT)
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]
    assume(changed != token)
    with pytest.raises(LinkForgedError):
        LINKS.verify(provider="ark", token=changed)


@given(st.text())
def test_any_other_text_opens_nothing(text: str) -> None:
    with pytest.raises(LinkForgedError):
        LINKS.verify(provider="ark", token=text)


def test_address_of_one_provider_opens_nothing_at_another() -> None:
    with pytest.raises(LinkForgedError):
        LINKS.verify(provider="fal", token=token_of(ATTEMPT))


def test_address_under_another_secret_opens_nothing() -> None:
    other = HookLinks(public_url="https://bot.example", secret=bytes(32))
    with pytest.raises(LinkForgedError):
        LINKS.verify(provider="ark", token=token_of(ATTEMPT, links=other))


def test_link_to_a_file_and_address_of_an_attempt_do_not_open_each_other() -> None:
    clip = sign(SECRET, "1433000000000000001.mp4", 9_999_999_999_999)
    with pytest.raises(LinkForgedError):
        LINKS.verify(provider="ark", token=clip)
    with pytest.raises(LinkForgedError):
        verify(SECRET, token_of(ATTEMPT), 0)


def test_the_secret_is_not_shown() -> None:
    assert repr(SECRET) not in repr(LINKS)
