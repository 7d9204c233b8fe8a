"""Apiframe, version 2.

Its facts: specification of `apiframe` (2026). The places of duration and aspect, how many references it takes, the job
object and the list: docs-v2.apiframe.ai/docs/videos/seedance/seedance-2, /docs/jobs/get and /docs/jobs/list, read
2026-11-20.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from bot.domain.capabilities import Capabilities, Frames, Option, TierRow, rendered_prompt
from bot.domain.pricing import PerSecondByResolution
from bot.domain.requests import Aspect, Camera, Plan, Tier
from bot.domain.slots import Frame, Kind
from bot.ports.outside import Failed, TaskStatus
from bot.providers.account import Dialect, callback_as
from bot.providers.reading import (
    NO_LINK,
    Refusal,
    Trouble,
    failed,
    link_in,
    parse_object,
    reason_in,
    status_of,
    task_id_in,
    word_in,
)
from bot.providers.signatures import ApiframeSignature

_READ_ON = date(2026, 11, 20)
_PRICE = PerSecondByResolution(
    micros={"480p": 200_000, "720p": 400_000, "1080p": 900_000},
    source=(
        "an estimate: Apiframe bills by the second and resolution and prints no figure. "
        "Well above the dearest listed elsewhere (fal.ai: $0.30 at 720p, $0.68 at 1080p)"
    ),
    dated=_READ_ON,
    is_estimate=True,
)
CAPABILITIES = Capabilities(
    provider="apiframe",
    title="Apiframe",
    source=(
        "specification of `apiframe` (2026); docs-v2.apiframe.ai. "
        "Limits per account are not documented: modest ones stand here."
    ),
    read_on=_READ_ON,
    tiers={Tier.STANDARD: TierRow(model="seedance-2", resolutions=("720p", "480p", "1080p"), price=_PRICE)},
    durations=(4, 6, 8, 10, 12, 15),
    aspects=(
        Aspect.WIDE,
        Aspect.ULTRAWIDE,
        Aspect.CLASSIC,
        Aspect.SQUARE,
        Aspect.PORTRAIT,
        Aspect.TALL,
        Aspect.AUTO,
    ),
    references_max={Kind.IMAGE: 9, Kind.VIDEO: 3, Kind.AUDIO: 3},
    frames=Frames(),
    options=frozenset({Option.SEED, Option.CAMERA_FIXED, Option.WEB_SEARCH, Option.LAST_FRAME}),
    tells_progress=True,
    lists=True,
    calls_back=True,
    retention_seconds=90 * 24 * 3600,
    max_concurrent=3,
    requests_per_second=2.0,
    typical_seconds=120,
    deadline_seconds=3600,
)

_SUBMIT, _JOBS = "/v2/videos/generate", "/v2/jobs"
_LIST_MAX = 100
_MODERATED = "content policy violation"
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_SHORTENED = (NO_LINK, failed(""))
_SPELLINGS = {Aspect.AUTO: "adaptive"}
_FRAMES = {"start_image": Frame.FIRST, "end_image": Frame.END}
_REFERENCES = {
    "reference_image_urls": Kind.IMAGE,
    "reference_video_urls": Kind.VIDEO,
    "reference_audio_urls": Kind.AUDIO,
}


def to_payload(plan: Plan, links: dict[str, str]) -> dict[str, object]:
    """The request's body; `links` gives each reference's address by content hash."""
    parameters = {**_decided(plan), **_frames(plan, links), **_references(plan, links)}
    return {"model": plan.model, "prompt": rendered_prompt(plan, CAPABILITIES), "seedanceParams": parameters}


def _decided(plan: Plan) -> dict[str, object]:
    """Switches are always said: what holds without them differs between its pages."""
    decided: dict[str, object] = {
        "resolution": plan.resolution,
        "duration": plan.duration_seconds,
        "aspect_ratio": _SPELLINGS.get(plan.aspect, plan.aspect.value),
        "generate_audio": plan.sound,
        "return_last_frame": True,
        "web_search": plan.web_search,
        "camera_fixed": plan.camera is Camera.FIXED,
    }
    return decided if plan.seed is None else decided | {"seed": plan.seed}


def _frames(plan: Plan, links: dict[str, str]) -> dict[str, object]:
    placed = {field: plan.at(frame) for field, frame in _FRAMES.items()}
    return {field: links[one.sha256] for field, one in placed.items() if one is not None}


def _references(plan: Plan, links: dict[str, str]) -> dict[str, object]:
    listed = {
        field: [links[one.sha256] for slot, one in plan.slotted if slot.kind is kind]
        for field, kind in _REFERENCES.items()
    }
    return {field: addresses for field, addresses in listed.items() if addresses}


def read_status(body: bytes) -> TaskStatus:
    """Raises ProviderBusyError for a body that is no job."""
    return _status(parse_object(body) or {})


def _status(job: dict[str, object]) -> TaskStatus:
    return status_of(
        word_in(job.get("status")),
        title=CAPABILITIES.title,
        video=lambda: link_in(_without_pictures(job.get("result"))),
        failure=lambda: _failed(reason_in(job.get("error"))),
        progress=job.get("progress"),
        last_frame=lambda: link_in(_pictures(job.get("result"))),
    )


def _without_pictures(result: object) -> object:
    """Of several outputs the last frame is one, and their order is not documented."""
    return [one for one in result if not _is_picture(one)] if isinstance(result, list) else result


def _pictures(result: object) -> list[object]:
    return [one for one in result if _is_picture(one)] if isinstance(result, list) else []


def _is_picture(output: object) -> bool:
    suffix = PurePosixPath(urlsplit(link_in(output) or "").path).suffix
    return suffix.lower() in _PICTURES


def _failed(reason: str) -> Failed:
    return failed(reason, moderation=_is_moderated(reason))


def _is_moderated(reason: str) -> bool:
    return _MODERATED in reason.lower()


def read_list(body: bytes) -> dict[str, TaskStatus]:
    """The jobs of one page. An end without clip or reason is left out: the page may shorten what a job's own has."""
    jobs = (parse_object(body) or {}).get("jobs")
    listed = [job for job in jobs if isinstance(job, dict)] if isinstance(jobs, list) else []
    statuses = {str(job.get("id")): _status(job) for job in listed if job.get("status") is not None}
    return {task_id: status for task_id, status in statuses.items() if status not in _SHORTENED}


def list_path(task_ids: Sequence[str]) -> str:  # noqa: ARG001 (the page cannot be asked for certain jobs)
    """The newest page: what it no longer holds is asked for by itself."""
    return f"{_JOBS}?model={CAPABILITIES.tiers[Tier.STANDARD].model}&limit={_LIST_MAX}"


def read_word(body: bytes) -> str | None:
    return word_in((parse_object(body) or {}).get("status"))


def read_task_id(body: bytes) -> str | None:
    return task_id_in((parse_object(body) or {}).get("jobId"))


def read_refusal(body: bytes) -> Refusal:
    """Only the error for too little credit is described; the words are taken from the usual members."""
    answer = parse_object(body) or {}
    reason = reason_in(answer.get("error")) or reason_in(answer)
    return Refusal(reason=reason, trouble=Trouble.MODERATION if _is_moderated(reason) else None)


DIALECT = Dialect(
    capabilities=CAPABILITIES,
    base_url="https://api.apiframe.ai",
    headers=lambda key: {"X-API-Key": key},
    submit_path=lambda _: _SUBMIT,
    to_payload=to_payload,
    read_task_id=read_task_id,
    read_refusal=read_refusal,
    read_path=lambda task_id: f"{_JOBS}/{quote(task_id, safe='')}",
    read_word=read_word,
    read_status=read_status,
    with_callback=callback_as("webhook_url"),
    list_path=list_path,
    read_list=read_list,
    signature=ApiframeSignature,
)
