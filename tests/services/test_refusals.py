"""What nobody can honour is refused with the nearest value, or the provider, that would work: whole sentences."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.capabilities import Capabilities
from bot.domain.errors import RequestError
from bot.domain.references import StoredReference
from bot.domain.requests import Camera, Request, Tier
from bot.domain.rules import Bounds
from bot.services.routing import Router
from bot.wiring.accounts import ROWS
from tests.providers.planning import stored

IMAGES = [stored(f"@Image{n}") for n in range(1, 10)]
VIDEOS = [stored(f"@Video{n}") for n in range(1, 4)]
SOUNDS = [stored(f"@Audio{n}") for n in range(1, 4)]
LONG = "x" * 1995  # and `Camera: dolly in.` after it


def sentence(
    *order: str,
    references: Sequence[StoredReference] = (),
    rows: dict[str, Capabilities] | None = None,
    bounds: Bounds | None = None,
    prompt: str = "a fox",
    **options: Any,
) -> str:
    """Of the router with these providers enabled, when the request goes through it."""
    router = Router(rows=rows or ROWS, order=order, draw_seed=lambda: 7)
    request = Request(prompt=prompt, references=tuple(one.reference for one in references), **options)
    with pytest.raises(RequestError) as caught:
        router.plan(request, references, bounds=bounds or Bounds())
    return str(caught.value)


CASES: list[tuple[str, dict[str, Any], str]] = [
    ("apiyi", {"resolution": "4k"}, "APIYI cannot do resolution 4k; it has 720p or 480p here, and 2k in pro."),
    ("unifically", {"resolution": "4k"}, "Unifically cannot do resolution 4k; it has 720p here."),
    (
        "byteplus",
        {"resolution": "4k"},
        "BytePlus cannot do resolution 4k; it has 720p or 1080p here.",
    ),
    ("apiyi", {"duration_seconds": 16}, "APIYI cannot do a duration of 16 s; the nearest is 15 s."),
    ("byteplus", {"duration_seconds": 16}, "BytePlus cannot do a duration of 16 s; the nearest is 10 s."),
    ("apiyi", {"duration_seconds": 3}, "APIYI cannot do a duration of 3 s; the nearest is 4 s."),
    ("byteplus", {"duration_seconds": 7}, "BytePlus cannot do a duration of 7 s; the nearest is 5 s."),
    ("apiframe", {"duration_seconds": 7}, "Apiframe cannot do a duration of 7 s; the nearest is 6 s."),
    (
        "apiyi",
        {"tier": Tier.FAST, "resolution": "1080p"},
        "APIYI cannot do resolution 1080p; it has 720p or 480p here, and 1080p in standard or pro.",
    ),
    (
        "v3_async",
        {"tier": Tier.FAST, "resolution": "1080p"},
        "V3 Async cannot do resolution 1080p; it has 720p or 480p here, and 1080p in standard.",
    ),
    ("byteplus", {"tier": Tier.FAST}, "BytePlus cannot do tier fast; it has standard."),
    (
        "apiyi",
        {"references": [*IMAGES, *VIDEOS, *SOUNDS]},
        "APIYI cannot do 15 references together; 12 is the most.",
    ),
    (
        # Nine, three and three slots are all there are: the sixteenth is a frame.
        "apiyi",
        {"references": [*IMAGES, *VIDEOS, *SOUNDS, stored("first_frame")]},
        "APIYI cannot do 15 references together; 12 is the most.",
    ),
    ("byteplus", {"references": IMAGES[:6]}, "BytePlus cannot do 6 image references; 5 is the most."),
    ("byteplus", {"references": VIDEOS[:1]}, "BytePlus cannot do 1 video reference; it takes none."),
    (
        "apiyi",
        {"prompt": LONG, "camera": Camera.DOLLY_IN},
        "APIYI cannot do a prompt of 2,013 characters; 2,000 is the most.",
    ),
    ("byteplus", {"sound": True}, "BytePlus cannot do sound; leave it out."),
    ("unifically", {"negative_prompt": "dogs"}, "Unifically cannot do a negative prompt; leave it out."),
]


@pytest.mark.parametrize(("provider", "asked", "said"), CASES)
def test_what_is_too_much_names_the_nearest(provider: str, asked: dict[str, Any], said: str) -> None:
    assert sentence(provider, **asked) == said
    assert sentence(provider, "animatic", provider=provider, **asked) == said


@pytest.mark.parametrize("order", [("unifically", "apiyi"), ("apiyi", "unifically")])
def test_of_several_the_most_preferred_says_no(order: tuple[str, ...]) -> None:
    title = ROWS[order[0]].title
    said = sentence(*order, duration_seconds=16)
    assert said == f"{title} cannot do a duration of 16 s; the nearest is 15 s."


# -- one was asked for, and another would do

OTHERS: list[tuple[tuple[str, ...], str, dict[str, Any], str]] = [
    (
        ("byteplus", "apiyi"),
        "byteplus",
        {"duration_seconds": 7},
        "BytePlus cannot do a duration of 7 s; the nearest is 5 s, or choose APIYI (apiyi)",
    ),
    (
        ("apiyi", "unifically"),
        "apiyi",
        {"references": [*IMAGES, *VIDEOS, *SOUNDS]},
        "APIYI cannot do 15 references together; 12 is the most, or choose Unifically (unifically)",
    ),
    (
        ("apiframe", "unifically", "v3_async"),
        "unifically",
        {"resolution": "1080p", "tier": Tier.STANDARD},
        "Unifically cannot do tier standard; it has fast or pro, or choose Apiframe (apiframe)",
    ),
    (
        # The one asked for need not be enabled.
        ("apiyi",),
        "byteplus",
        {"sound": True},
        "BytePlus cannot do sound; leave it out, or choose APIYI (apiyi)",
    ),
]


@pytest.mark.parametrize(("order", "provider", "asked", "said"), OTHERS)
def test_another_enabled_one_that_takes_it_is_named(
    order: tuple[str, ...], provider: str, asked: dict[str, Any], said: str
) -> None:
    assert sentence(*order, provider=provider, **asked) == f"{said}, which takes the request as it stands."


def test_the_storyboard_is_no_video_in_its_place() -> None:
    said = sentence("byteplus", "animatic", provider="byteplus", duration_seconds=7)
    assert said == "BytePlus cannot do a duration of 7 s; the nearest is 5 s."


def test_one_that_the_servers_rules_forbid_is_not_named() -> None:
    asked: dict[str, Any] = {"provider": "byteplus", "duration_seconds": 7}
    said = sentence("byteplus", "apiyi", bounds=Bounds(seconds_max=6), **asked)
    assert said == "BytePlus cannot do a duration of 7 s; the nearest is 5 s."


def test_a_shorter_prompt_limit_of_the_operators_is_said() -> None:
    rows = {"ark": replace(ROWS["ark"], prompt_chars_max=10), "apiyi": ROWS["apiyi"]}
    said = sentence("ark", prompt="a fox jumps", rows=rows)
    assert said == "ModelArk cannot do a prompt of 11 characters; 10 is the most."
    said = sentence("ark", "apiyi", prompt="a fox jumps", rows=rows, provider="ark")
    assert said.endswith("; 10 is the most, or choose APIYI (apiyi), which takes the request as it stands.")
