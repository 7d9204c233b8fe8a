"""Signed links: what one opens, and everything that it does not."""

import re
import string
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.domain.links import SECRET_BYTES_MIN, LinkError, LinkExpiredError, LinkForgedError, SignedLinks, sign, verify

SECRET = bytes(range(32))
NAME = f"{'a1' * 32}.mp4"

secrets = st.binary(min_size=SECRET_BYTES_MIN, max_size=64)
names = st.builds(
    lambda digest, extension: f"{digest.hex()}.{extension}",
    st.binary(min_size=32, max_size=32),
    st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8),
)
moments = st.integers(min_value=1, max_value=10**14)


@given(secrets, names, moments, st.data())
def test_token_opens_its_name_until_it_expires(secret: bytes, name: str, expires_ms: int, data: st.DataObject) -> None:
    token = sign(secret, name, expires_ms)
    before = data.draw(st.integers(min_value=0, max_value=expires_ms - 1))
    after = data.draw(st.integers(min_value=expires_ms))
    assert verify(secret, token, before) == name
    with pytest.raises(LinkExpiredError):
        verify(secret, token, after)


@given(secrets, names, moments)
def test_token_needs_no_quoting_in_an_address(secret: bytes, name: str, expires_ms: int) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", sign(secret, name, expires_ms))


@given(secrets, secrets, names)
def test_token_of_another_secret_is_forged(secret: bytes, other: bytes, name: str) -> None:
    # HMAC pads keys with zeros to its block size: keys that differ by those alone are one key.
    assume(secret.ljust(64, b"\0") != other.ljust(64, b"\0"))
    with pytest.raises(LinkForgedError):
        verify(secret, sign(other, name, 1000), 0)


@given(st.integers(min_value=0), st.characters(codec="utf-8"))
def test_token_with_any_character_changed_is_forged(position: int, character: str) -> None:
    token = sign(SECRET, NAME, 1000)
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]
    assume(changed != token)
    with pytest.raises(LinkForgedError):
        verify(SECRET, changed, 0)


@given(st.text())
def test_any_other_text_is_forged_and_nothing_worse(text: str) -> None:
    with pytest.raises(LinkError):
        verify(SECRET, text, 0)


@pytest.mark.parametrize(
    "swap",
    [
        lambda token: token.replace("1000.", "9000.", 1),
        lambda token: token.replace("1000.", "01000.", 1),
        lambda token: token.replace("a1a1", "b2b2", 1),
        lambda token: token.replace(".mp4.", ".mov.", 1),
        lambda token: token.upper(),
        lambda token: token + "0",
        lambda token: token + "\n",
        lambda token: token[:-64],
    ],
    ids=["later", "zero", "other file", "other type", "upper case", "longer", "new line", "unsigned"],
)
def test_neither_time_nor_file_nor_type_can_be_swapped(swap: Callable[[str], str]) -> None:
    with pytest.raises(LinkForgedError):
        verify(SECRET, swap(sign(SECRET, NAME, 1000)), 0)


@pytest.mark.parametrize("name", ["", "../etc/passwd", f"{'a1' * 32}", f"{'A1' * 32}.mp4", f"{'a1' * 32}.mp4/.."])
def test_only_a_content_hash_with_an_extension_is_signed(name: str) -> None:
    with pytest.raises(ValueError, match="<sha256>"):
        sign(SECRET, name, 1000)


def test_short_secret_signs_and_opens_nothing() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        sign(b"short", NAME, 1000)
    with pytest.raises(ValueError, match="16 bytes"):
        verify(b"", sign(SECRET, NAME, 1000), 0)


def test_maker_puts_token_and_name_under_the_public_address_and_counts_from_now() -> None:
    links = SignedLinks(public_url="https://bot.example/base/", secret=SECRET, now_ms=lambda: 5_000, lifetime_ms=1_000)
    link = links.link_for(sha256="a1" * 32, extension="mp4")
    head, token, name = link.rsplit("/", 2)
    assert (head, name) == ("https://bot.example/base/files", NAME)
    assert verify(SECRET, token, 5_999) == NAME
    with pytest.raises(LinkExpiredError):
        verify(SECRET, token, 6_000)


def test_maker_does_not_show_its_secret() -> None:
    shown = repr(SignedLinks(public_url="https://bot.example", secret=b"canary-canary-canary", now_ms=int))
    assert "canary" not in shown
