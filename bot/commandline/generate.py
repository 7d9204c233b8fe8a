"""`dailies generate`: one job through the same intake, ledger and runner, without Discord."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from bot.commandline.ending import Status, run_until_signal, status_of
from bot.commandline.logs import set_up_logs
from bot.commandline.wishes import Wish, request_of
from bot.delivery import words
from bot.delivery.terminal import FileDelivery
from bot.domain.errors import BotError
from bot.domain.jobs import FileTarget, Job, JobState
from bot.domain.quota import decimal_dollars
from bot.domain.requests import Plan, Request
from bot.ports.outside import WireRequest
from bot.settings import Settings, load_settings
from bot.wiring import Workshop, dry_run, mint_job_id, now_ms, open_workshop

MEMBER = "cli"


def generate(
    prompt: str,
    *,
    image: Annotated[list[str] | None, typer.Option(help="A picture; the first is @Image1.")] = None,
    video: Annotated[list[str] | None, typer.Option(help="A clip; the first is @Video1.")] = None,
    audio: Annotated[list[str] | None, typer.Option(help="A sound; the first is @Audio1.")] = None,
    first_frame: Annotated[str | None, typer.Option(help="The picture the clip begins with.")] = None,
    end_frame: Annotated[str | None, typer.Option(help="The picture the clip ends with.")] = None,
    provider: Annotated[str | None, typer.Option(help="A provider's id, enabled or not.")] = None,
    tier: Annotated[str | None, typer.Option(help="fast, standard or pro.")] = None,
    duration: Annotated[int | None, typer.Option(help="Seconds.")] = None,
    aspect: Annotated[str | None, typer.Option(help="21:9, 16:9, 4:3, 1:1, 3:4, 9:16 or auto.")] = None,
    resolution: Annotated[str | None, typer.Option(help="480p, 720p, 1080p …")] = None,
    sound: Annotated[bool | None, typer.Option("--sound/--no-sound")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What must not appear.")] = None,
    style: Annotated[str | None, typer.Option(help="cinematic, anime, realistic or 3d_render.")] = None,
    camera: Annotated[str | None, typer.Option(help="dolly_in, pan_left, orbit_right … or fixed.")] = None,
    watermark: Annotated[bool | None, typer.Option("--watermark/--no-watermark")] = None,
    web_search: Annotated[bool | None, typer.Option("--web-search/--no-web-search")] = None,
    out: Annotated[str | None, typer.Option(help="Where the clip goes; ./<job id>.mp4 unless you say.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Show slots, price and request; send nothing.")] = False,
) -> None:
    """Make one clip and end when it is there."""
    wish = Wish(
        prompt=prompt,
        images=image or [],
        videos=video or [],
        audios=audio or [],
        first_frame=first_frame,
        end_frame=end_frame,
        provider=provider,
        tier=tier,
        duration=duration,
        aspect=aspect,
        resolution=resolution,
        sound=sound,
        seed=seed,
        negative_prompt=negative_prompt,
        style=style,
        camera=camera,
        watermark=watermark,
        web_search=web_search,
    )
    teller = Teller(wish=wish, as_json=as_json)
    try:
        settings = load_settings()
        set_up_logs(settings, quiet=True)
        request = request_of(wish)
        if dry:
            teller.tell_plan(*run_until_signal(dry_run(settings, request)))
            return
        ended = run_until_signal(_run_job(settings, request, out, teller))
    except BotError as error:
        teller.tell_refusal(error)
        raise typer.Exit(status_of(error)) from error
    teller.tell_end(ended)
    raise typer.Exit(_status(ended))


@dataclass(kw_only=True)
class Teller:
    """Says what happens: stages on standard error, the outcome on standard output."""

    wish: Wish
    as_json: bool
    said: str = field(default="")

    def tell_stage(self, job: Job) -> None:
        line = words.stage(job)
        if line != self.said:
            typer.echo(f"{job.id}  {line}", err=True)
            self.said = line

    def tell_plan(self, plan: Plan, quote_micros: int, wire: WireRequest) -> None:
        shown = {"method": wire.method, "url": wire.url, "headers": wire.headers, "body": wire.body}
        body = self._body() | _planned(plan) | {"quote_usd": decimal_dollars(quote_micros), "request": shown}
        if self.as_json:
            typer.echo(json.dumps(body, ensure_ascii=False))
            return
        for slot, name in self.wish.slots.items():
            typer.echo(f"{slot}  {name}")
        typer.echo(f"{plan.provider}: {words.options(plan)}")
        for note in plan.notes:
            typer.echo(f"note: {note}")
        typer.echo(f"price: ${decimal_dollars(quote_micros)} at most")
        typer.echo(f"{wire.method} {wire.url}")
        for name, value in wire.headers.items():
            typer.echo(f"{name}: {value}")
        typer.echo(json.dumps(wire.body, indent=2, ensure_ascii=False))

    def tell_refusal(self, error: BotError) -> None:
        if self.as_json:
            fault = {"code": error.code, "message": str(error)}
            typer.echo(json.dumps(self._body() | {"error": fault}, ensure_ascii=False))
        else:
            typer.echo(str(error), err=True)

    def tell_end(self, job: Job) -> None:
        if self.as_json:
            typer.echo(json.dumps(self._body() | _outcome(job), ensure_ascii=False))
        elif job.state is JobState.DELIVERED and isinstance(job.target, FileTarget):
            typer.echo(job.target.path)
        else:
            typer.echo(job.error_text or words.stage(job), err=True)

    def _body(self) -> dict[str, object]:
        """Every key is always there."""
        keys = ("job_id", "state", "provider", "model", "quote_usd", "cost_usd", "video", "last_frame", "error")
        known = {"provider": self.wish.provider, "seconds": self.wish.duration, "slots": self.wish.slots}
        return dict.fromkeys(keys) | known


def _planned(plan: Plan) -> dict[str, object]:
    return {"provider": plan.provider, "model": plan.model, "seconds": plan.duration_seconds}


def _outcome(job: Job) -> dict[str, object]:
    delivered = job.state is JobState.DELIVERED
    planned = {} if job.plan is None else _planned(job.plan)
    return planned | {
        "job_id": str(job.id),
        "state": job.state.value,
        "quote_usd": None if job.quote_micros is None else decimal_dollars(job.quote_micros),
        "cost_usd": decimal_dollars(job.cost_micros or 0) if delivered else None,
        "video": job.target.path if delivered and isinstance(job.target, FileTarget) else None,
        "error": {"code": job.error_code, "message": job.error_text} if job.error_code else None,
    }


async def _run_job(settings: Settings, request: Request, out: str | None, teller: Teller) -> Job:
    """The runner also finishes what an interrupted start left behind, the oldest first."""
    job_id = mint_job_id(now_ms())
    ended: asyncio.Future[Job] = asyncio.get_running_loop().create_future()

    def say(job: Job) -> None:
        if job.id == job_id:
            teller.tell_stage(job)
            if not job.is_open and not ended.done():
                ended.set_result(job)

    place = Path(out or f"{job_id}.mp4").absolute()  # noqa: ASYNC240 -- no I/O: it only reads the working directory
    extra = [request.provider] if request.provider else []
    async with AsyncExitStack() as stack:
        workshop = await stack.enter_async_context(open_workshop(settings, extra=extra))
        if settings.public_url is not None:
            await stack.enter_async_context(workshop.serving_web(lambda: True))
        target = FileTarget(path=str(place))
        await workshop.intake.accept(job_id=job_id, guild_id=None, member_id=MEMBER, target=target, request=request)
        return await _until_ended(workshop, say, ended)


async def _until_ended(workshop: Workshop, say: Callable[[Job], None], ended: asyncio.Future[Job]) -> Job:
    async with asyncio.TaskGroup() as group:
        running = group.create_task(workshop.runner_for(FileDelivery(say=say)).run())
        job = await ended
        running.cancel()
    return job


def _status(job: Job) -> Status:
    """A refusal of ours is 2 when the request is at fault, 1 when the budget is."""
    if job.state is JobState.DELIVERED:
        return Status.DONE
    if job.state is JobState.REFUSED and job.error_code not in _QUOTA_CODES:
        return Status.BAD_REQUEST
    return Status.FAILED


_QUOTA_CODES = frozenset({"quota_exceeded", "paused"})
