"""The dialect of Replicate's predictions: exact requests, every documented answer, and the contract.

Bodies are typed from replicate.com/bytedance/seedance-2.0 (API schema) and
replicate.com/docs/topics/predictions/lifecycle, read 2026-11-20.
"""

import json
from typing import Any

import pytest

from bot.domain.capabilities import quote_micros
from bot.domain.errors import RequestError
from bot.domain.requests import Aspect, Plan, Tier
from bot.ports.outside import Failed, Pending, ProviderBusyError, Succeeded, TaskStatus
from bot.providers import fal
from bot.providers.reading import NO_LINK
from bot.providers.replicate import (
    CAPABILITIES,
    DIALECT,
    is_cancelled,
    list_path,
    read_list,
    read_refusal,
    read_status,
    submit_path,
    to_payload,
)
from tests.providers import contract, mutants
from tests.providers.house import Subject, opened
from tests.providers.planning import links_for, plan_for
from tests.standins import replicate as standin
from tests.standins.loopback import Fate


def understood(asked: dict[str, Any]) -> dict[str, object]:
    return {
        "seconds": asked["duration"],
        "aspect": "auto" if asked["aspect_ratio"] == "adaptive" else asked["aspect_ratio"],
        "resolution": asked["resolution"],
        "sound": asked["generate_audio"],
        "seed": asked["seed"],
        "model": asked["model"],
    }


SUBJECT = Subject(
    dialect=DIALECT,
    running=standin.running,
    understood=understood,
    root=standin.ROOT,
    rate_limited=standin.rate_limited,
    without_id=standin.without_id,
    error=standin.error,
    payment=standin.out_of_credit(),
)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: contract.Check) -> None:
    await contract.passes(SUBJECT, check)


@pytest.mark.parametrize("name", mutants.MUTANTS)
async def test_wrong_adapter_does_not_pass_the_contract(name: str) -> None:
    assert await contract.first_failure(mutants.mutated(SUBJECT, name)), f"{name} was not noticed"


@pytest.mark.parametrize("next_status", ["processing", "succeeded"])
async def test_task_that_moves_on_while_it_is_being_cancelled_is_not_called_cancelled(next_status: str) -> None:
    """One that had begun may be billed, though it stops."""
    async with opened(SUBJECT) as house:
        assert isinstance(house.provider, standin.Provider)
        house.provider.moves_on = True
        house.provider.fates.append(Fate(statuses=("starting", next_status)))
        assert not await house.account.cancel(task_id=await house.submit())


async def test_predictions_beyond_the_newest_page_are_left_out() -> None:
    async with opened(SUBJECT) as house:
        oldest = await house.submit()
        others = [await house.submit() for _ in range(standin.PAGE)]
        assert set(await house.account.read_many(task_ids=[oldest, *others])) == set(others)


# -- requests


def plan_of(prompt: str, *references: Any, **options: Any) -> Plan:
    return plan_for(CAPABILITIES, prompt, *references, **options)


def payload(plan: Plan) -> dict[str, object]:
    return to_payload(plan, links_for(plan))


FOX = {
    "prompt": "A fox",
    "duration": 5,
    "resolution": "720p",
    "aspect_ratio": "16:9",
    "generate_audio": True,
    "seed": 7,
}


def test_text_alone() -> None:
    plan = plan_of("A fox")
    assert (submit_path(plan), payload(plan)) == ("/models/bytedance/seedance-2.0-fast/predictions", {"input": FOX})


def test_every_option_set() -> None:
    plan = plan_of(
        "A fox",
        tier=Tier.STANDARD,
        resolution="480p",
        aspect=Aspect.AUTO,
        duration_seconds=15,
        sound=False,
        seed=0,
    )
    assert submit_path(plan) == "/models/bytedance/seedance-2.0/predictions"
    assert payload(plan) == {
        "input": {
            "prompt": "A fox",
            "duration": 15,
            "resolution": "480p",
            "aspect_ratio": "adaptive",
            "generate_audio": False,
            "seed": 0,
        }
    }


def test_frames() -> None:
    frames = {
        "image": "https://bot.example/first_frame",
        "last_frame_image": "https://bot.example/end_frame",
    }
    plan = plan_of("It moves", "end_frame", "first_frame")
    assert payload(plan) == {"input": FOX | {"prompt": "It moves", "aspect_ratio": "adaptive"} | frames}


def test_references_are_mentioned_in_brackets_without_a_space() -> None:
    plan = plan_of("@Image3 follows @image1 to @Audio1 like @Video2", "@Audio1", "@Video2", "@Image3", "@Image1")
    lists = {
        "reference_images": ["https://bot.example/@Image1", "https://bot.example/@Image3"],
        "reference_videos": ["https://bot.example/@Video2"],
        "reference_audios": ["https://bot.example/@Audio1"],
    }
    words = "[Image2] follows [Image1] to [Audio1] like [Video1]"
    assert payload(plan) == {"input": FOX | {"prompt": words} | lists}


@pytest.mark.parametrize(
    ("references", "options", "sentence"),
    [
        ([], {"resolution": "1080p"}, "it has 720p or 480p here"),
        ([], {"tier": Tier.PRO}, "it has fast or standard"),
        ([], {"duration_seconds": 16}, "the nearest is 15 s"),
        ([], {"web_search": True}, "web search"),
        (["first_frame", "@Image1"], {}, "use either frames or numbered references"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(references: list[str], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        plan_of("A fox", *references, **options)


@pytest.mark.parametrize("references", [[], ["@Video1"]])
@pytest.mark.parametrize("tier", [Tier.FAST, Tier.STANDARD])
def test_estimate_is_above_what_another_host_asks(tier: Tier, references: list[str]) -> None:
    quoted, other = (
        quote_micros(plan_for(row, "A fox", *references, tier=tier), row) for row in (CAPABILITIES, fal.CAPABILITIES)
    )
    assert CAPABILITIES.tiers[tier].price.is_estimate
    assert quoted > 1.4 * other


# -- answers


def body_of(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def prediction(status: object, **fields: object) -> dict[str, object]:
    return {"id": "p1", "status": status, "output": None, "error": None, **fields}


CLIP = "https://replicate.delivery/xezq/o.mp4"


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (prediction("starting"), Pending()),
        (prediction("processing"), Pending()),
        (prediction("paused"), Pending()),
        (prediction("succeeded", output=CLIP), Succeeded(video=CLIP)),
        (prediction("succeeded", output=[CLIP]), Succeeded(video=CLIP)),
        (prediction("succeeded", data_removed=True), NO_LINK),
        (prediction("failed", error="Out of memory (E1001)"), Failed(reason="Out of memory (E1001)")),
        (prediction("failed"), Failed(reason="it gave no reason")),
        (prediction("canceled"), Failed(reason="it was cancelled there")),
        (prediction("aborted"), Failed(reason="it was stopped there before it began")),
    ],
)
def test_status_is_the_predictions_own(told: dict[str, object], status: TaskStatus) -> None:
    assert read_status(body_of(**told)) == status


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"detail": "Not found"}'])
def test_body_that_is_no_prediction_says_nothing_of_it(body: bytes) -> None:
    with pytest.raises(ProviderBusyError):
        read_status(body)


def test_a_list_tells_each_prediction_and_no_end_without_its_clip_or_reason() -> None:
    listed = [
        prediction("succeeded", output=CLIP) | {"id": "a"},
        prediction("processing") | {"id": "b"},
        prediction("succeeded") | {"id": "c"},
        prediction("failed") | {"id": "d"},
        prediction(None),
        "x",
    ]
    assert read_list(body_of(next=None, results=listed)) == {"a": Succeeded(video=CLIP), "b": Pending()}
    assert read_list(b"<html>") == {}
    assert list_path(["a", "b"]) == "/predictions"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (
            {"title": "Input validation failed", "detail": "- input.seed: wrong", "status": 422},
            "- input.seed: wrong",
        ),
        ({"title": "Insufficient credit", "status": 402}, "Insufficient credit"),
        ({"detail": ""}, ""),
        ({}, ""),
    ],
)
def test_words_of_a_refusal(told: dict[str, object], reason: str) -> None:
    assert read_refusal(body_of(**told)).reason == reason


@pytest.mark.parametrize(
    ("told", "cancelled"),
    [
        (prediction("canceled", started_at=None), True),
        (prediction("aborted"), True),
        (prediction("canceled", started_at="2026-11-20T09:30:01Z"), False),
        (prediction("starting", started_at=None), False),
        (prediction("processing", started_at="2026-11-20T09:30:01Z"), False),
        ({}, False),
    ],
)
def test_only_what_never_began_is_cancelled(told: dict[str, object], cancelled: object) -> None:
    assert is_cancelled(body_of(**told)) is cancelled
