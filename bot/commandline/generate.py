"""`dailies generate`: one job through the same intake, ledger and runner, without Discord."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer

from bot.commandline.ending import Status, run_until_signal, status_of
from bot.commandline.faults import InterruptedError, reason_of  # noqa: A004 -- said there
from bot.commandline.logs import set_up_logs
from bot.commandline.places import check_place
from bot.commandline.telling import Teller
from bot.commandline.wishes import Wish, request_of
from bot.delivery.terminal import FileDelivery
from bot.domain.errors import BotError, InternalError, SettingsError
from bot.domain.jobs import FileTarget, Job, JobState
from bot.domain.references import ReferenceRules, check_declared
from bot.domain.request_errors import PublicUrlMissingError
from bot.domain.requests import SEED_MAX, Plan, Request
from bot.domain.slots import kind_of
from bot.settings import Settings, load_settings
from bot.wiring import Workshop, dry_run, mint_job_id, now_ms, open_workshop, router_for

MEMBER = "cli"

log = structlog.get_logger(__name__)


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
    seed: Annotated[int | None, typer.Option(min=0, max=SEED_MAX, help="The same one repeats a clip.")] = None,
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
    _answer(wish, Teller(wish=wish, as_json=as_json), out=out, dry=dry)


def _answer(wish: Wish, teller: Teller, *, out: str | None, dry: bool) -> None:
    """Make it, or say why not; the exit status says the same."""
    try:
        settings = load_settings()
        set_up_logs(settings, quiet=True)
        request = request_of(wish)
        check_declared(request.references, ReferenceRules())
        preview, _ = router_for(settings).preview(request)
        if dry:
            teller.tell_plan(*run_until_signal(dry_run(settings, request)))
            return
        _check_links(settings, preview, request)
        check_place(Path(out or "clip.mp4").absolute(), shown=f"--out {out}" if out else "The clip's place")
        ended = run_until_signal(_run_job(settings, request, out, teller))
    except BotError as error:
        teller.tell_refusal(error)
        raise typer.Exit(status_of(error)) from error
    except KeyboardInterrupt:
        teller.tell_refusal(InterruptedError())
        raise typer.Exit(Status.INTERRUPTED) from None
    except Exception as bug:  # whatever breaks, the one JSON object is printed and the log has the rest
        reference = secrets.token_hex(4)
        log.exception("internal", reference=reference)
        teller.tell_refusal(InternalError(reference=reference))
        raise typer.Exit(Status.FAILED) from bug
    teller.tell_end(ended)
    raise typer.Exit(_status(ended))


def _check_links(settings: Settings, preview: Plan, request: Request) -> None:
    """The runner would say the same, after everything was opened and copied."""
    row = router_for(settings).row(preview.provider)
    bare = [one for one in request.references if settings.public_url is None and row.needs_link(kind_of(one.place))]
    if bare:
        raise PublicUrlMissingError(place=str(bare[0].place), provider=row.title, name=bare[0].name)


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
            await stack.enter_async_context(_serving_links(workshop))
        target = FileTarget(path=str(place))
        await workshop.intake.accept(job_id=job_id, guild_id=None, member_id=MEMBER, target=target, request=request)
        job = await _until_ended(workshop, say, ended)
        if job.last_frame is not None:
            teller.last_frame = str(workshop.media.stored_path(sha256=job.last_frame))
        return job


@asynccontextmanager
async def _serving_links(workshop: Workshop) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(workshop.serving_web(lambda: True))
        except OSError as fault:
            faults = f"DAILIES_WEB_HOST, DAILIES_WEB_PORT: nothing can listen there: {reason_of(fault)}"
            raise SettingsError(faults=faults) from fault
        yield


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
