"""The `/v3/async/seedance-2.0` API, which several hosts serve: the operator says which.

Its facts: specification of `v3_async` (2026); novita.ai/docs/api-reference/model-apis-task-result, /model-apis-webhook
and /basic-error-code and novita.ai/docs/guides/model-apis-rate-limits, read 2026-11-20, which are the same family's.
The path and the exact spellings are those that public clients of this API send.
"""

from datetime import date
from urllib.parse import quote

from bot.domain.capabilities import Capabilities, Frames, Option, TierRow, Transport, rendered_prompt
from bot.domain.pricing import WithMinimum
from bot.domain.prompts import PromptAdvice
from bot.domain.requests import Aspect, Plan, Tier
from bot.domain.slots import Frame, Kind
from bot.ports.outside import TaskStatus
from bot.providers.account import Dialect, bearer
from bot.providers.bodies import Encoded, source_of
from bot.providers.reading import (
    Refusal,
    Trouble,
    failed,
    link_in,
    object_in,
    parse_object,
    reason_in,
    status_of,
    task_id_in,
    word_in,
)

_READ_ON = date(2026, 11, 20)
_PRICE_SOURCE = (
    "the minimum charges with reference video: specification of `v3_async` (2026). Its prices per second are not "
    "documented: those that fal.ai asks for the same model stand here, rounded up"
)
_MODEL = "seedance-2.0"


def _cents(first: int, *row: int) -> dict[int, int]:
    """Micro-dollars by seconds of output, from 4 s on."""
    return {seconds: cents * 10_000 for seconds, cents in enumerate((first, *row), start=4)}


# Of 4, 5, … 15 s of output, in cents.
STANDARD_MINIMUM_MICROS = {
    "480p": _cents(30, 39, 43, 52, 61, 65, 73, 82, 86, 95, 104, 108),
    "720p": _cents(65, 84, 93, 111, 130, 139, 158, 176, 186, 204, 223, 232),
    "1080p": _cents(164, 206, 247, 288, 329, 370, 411, 452, 493, 535, 576, 617),
}
FAST_MINIMUM_MICROS = {
    "480p": _cents(23, 30, 33, 40, 46, 50, 56, 63, 66, 73, 79, 83),
    "720p": _cents(50, 64, 71, 85, 100, 107, 121, 135, 143, 157, 171, 178),
}
CAPABILITIES = Capabilities(
    provider="v3_async",
    title="V3 Async",
    source=(
        "specification of `v3_async` (2026); novita.ai/docs/api-reference/model-apis-task-result. "
        "20 requests a minute are that family's usual limit; how many tasks may run at once is not documented."
    ),
    read_on=_READ_ON,
    tiers={
        Tier.FAST: TierRow(
            model=f"{_MODEL} fast",
            resolutions=("720p", "480p"),
            price=WithMinimum(
                micros={"480p": 120_000, "720p": 250_000},
                minimum_micros=FAST_MINIMUM_MICROS,
                source=_PRICE_SOURCE,
                dated=_READ_ON,
                is_estimate=True,
            ),
        ),
        Tier.STANDARD: TierRow(
            model=_MODEL,
            resolutions=("720p", "480p", "1080p"),
            price=WithMinimum(
                micros={"480p": 150_000, "720p": 310_000, "1080p": 700_000},
                minimum_micros=STANDARD_MINIMUM_MICROS,
                source=_PRICE_SOURCE,
                dated=_READ_ON,
                is_estimate=True,
            ),
        ),
    },
    durations=range(4, 15 + 1),
    aspects=tuple(Aspect),
    references_max={Kind.IMAGE: 9, Kind.VIDEO: 3, Kind.AUDIO: 3},
    transports={
        Kind.IMAGE: (Transport.LINK, Transport.BASE64),
        Kind.VIDEO: (Transport.LINK,),
        Kind.AUDIO: (Transport.LINK, Transport.BASE64),
    },
    frames=Frames(),
    mention_template="[{kind} {number}]",
    prompt_advice=PromptAdvice(cjk_chars=500, words=1000),
    options=frozenset({Option.SEED, Option.WATERMARK, Option.WEB_SEARCH, Option.LAST_FRAME}),
    tells_progress=True,
    calls_back=True,
    retention_seconds=3600,
    max_concurrent=3,
    requests_per_second=20 / 60,
    typical_seconds=120,
    deadline_seconds=3600,
)

_LISTS = {"reference_images": Kind.IMAGE, "reference_videos": Kind.VIDEO, "reference_audios": Kind.AUDIO}
_FRAMES = {"image": Frame.FIRST, "last_image": Frame.END}
_TROUBLES = {
    "INVALID_REQUEST_BODY": Trouble.BAD_REQUEST,
    "IMAGE_FILE_EXCEEDS_MAX_SIZE": Trouble.MEDIA_REJECTED,
    "INVALID_IMAGE_FORMAT": Trouble.MEDIA_REJECTED,
    "IMAGE_EXCEEDS_MAX_RESOLUTION": Trouble.MEDIA_REJECTED,
    "INVALID_AUDIO_FILE": Trouble.MEDIA_REJECTED,
    "ILLEGAL_PROMPT": Trouble.MODERATION,
    "ILLEGAL_IMAGE_CONTENT": Trouble.MODERATION,
    "BILLING_BALANCE_NOT_ENOUGH": Trouble.PAYMENT,
    "MISSING_API_KEY": Trouble.AUTH,
    "INVALID_API_KEY": Trouble.AUTH,
    "API_NOT_ALLOWED": Trouble.FORBIDDEN,
    "API_NOT_FOUND": Trouble.FORBIDDEN,
    "NEED_REAL_NAME_VERIFY": Trouble.FORBIDDEN,
    "BILLING_AUTH_FAILED": Trouble.PAYMENT,
    "TASK_NOT_FOUND": Trouble.NOT_FOUND,
    "RATE_LIMIT_EXCEEDED": Trouble.RATE_LIMITED,
}
_MODERATED = ("content policy", "illegal_prompt", "illegal_image_content", "sensitive")
"""A task that failed has only words: these are taken for its content rules."""


# -- requests


def to_payload(plan: Plan, links: dict[str, str]) -> dict[str, object]:
    """The request's body; `links` gives addresses by content hash, and what has none goes in as base64."""
    return {**_decided(plan), **_frames(plan, links), **_references(plan, links)}


def _decided(plan: Plan) -> dict[str, object]:
    decided: dict[str, object] = {
        "prompt": rendered_prompt(plan, CAPABILITIES),
        "fast": plan.tier is Tier.FAST,
        "resolution": plan.resolution,
        "ratio": "adaptive" if plan.aspect is Aspect.AUTO else plan.aspect.value,
        "duration": plan.duration_seconds,
        "watermark": plan.watermark,
        "web_search": plan.web_search,
        "generate_audio": plan.sound,
        "return_last_frame": True,
    }
    return decided if plan.seed is None else decided | {"seed": plan.seed}


def _frames(plan: Plan, links: dict[str, str]) -> dict[str, str | Encoded]:
    found = {field: plan.at(frame) for field, frame in _FRAMES.items()}
    return {field: source_of(one, links, CAPABILITIES) for field, one in found.items() if one is not None}


def _references(plan: Plan, links: dict[str, str]) -> dict[str, object]:
    listed = {
        field: [source_of(one, links, CAPABILITIES) for slot, one in plan.slotted if slot.kind is kind]
        for field, kind in _LISTS.items()
    }
    return {field: sources for field, sources in listed.items() if sources}


# -- answers


def read_task_id(body: bytes) -> str | None:
    return task_id_in((parse_object(body) or {}).get("task_id"))


def read_called(_: Plan, body: bytes) -> str | None:
    """An event's payload is the answer to a poll: novita.ai/docs/api-reference/model-apis-webhook, read 2026-11-29."""
    payload = object_in((parse_object(body) or {}).get("payload"))
    return task_id_in(object_in(payload.get("task")).get("task_id"))


def read_word(body: bytes) -> str | None:
    return word_in(_task(body).get("status"))


def read_status(body: bytes) -> TaskStatus:
    """Where the task stands; ProviderBusyError for a body that is no task."""
    answer, task = parse_object(body) or {}, _task(body)
    reason = reason_in(task.get("reason"))
    return status_of(
        read_word(body),
        title=CAPABILITIES.title,
        video=lambda: link_in(answer.get("videos")),
        failure=lambda: failed(reason, moderation=_is_moderated(reason)),
        progress=task.get("progress_percent"),
        last_frame=lambda: _last_frame(answer),
    )


def _last_frame(answer: dict[str, object]) -> str | None:
    images = answer.get("images")
    first = object_in(images[0]) if isinstance(images, list) and images else {}
    return link_in(first.get("image_url"))


def read_refusal(body: bytes) -> Refusal:
    """A body `{"code": …, "reason": NAME, "message": …}`; that the name stands in `reason` is inferred."""
    answer = parse_object(body) or {}
    names = [str(answer[key]).upper() for key in ("reason", "code") if key in answer]
    trouble = next((_TROUBLES[name] for name in names if name in _TROUBLES), None)
    return Refusal(reason=reason_in(answer), trouble=trouble)


def _task(body: bytes) -> dict[str, object]:
    return object_in((parse_object(body) or {}).get("task"))


def _is_moderated(reason: str) -> bool:
    return any(words in reason.lower() for words in _MODERATED)


DIALECT = Dialect(
    capabilities=CAPABILITIES,
    base_url=None,
    headers=bearer,
    submit_path=lambda _: "/v3/async/seedance-2.0",
    to_payload=to_payload,
    read_task_id=read_task_id,
    read_refusal=read_refusal,
    read_path=lambda task_id: f"/v3/async/task-result?task_id={quote(task_id, safe='')}",
    read_word=read_word,
    read_status=read_status,
    read_called=read_called,
    with_callback=lambda path, payload, address: (path, payload | {"extra": {"webhook": {"url": address}}}),
)
