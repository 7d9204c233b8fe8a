"""What `dailies generate` says: for people line by line, for programs as one JSON object."""

import json
from dataclasses import dataclass, field

import typer

from bot.commandline.wishes import Wish
from bot.delivery import words
from bot.domain.errors import BotError, QuotaError, RequestError
from bot.domain.jobs import FileTarget, Job, JobState
from bot.domain.quota import decimal_dollars
from bot.domain.requests import Plan
from bot.ports.outside import WireRequest

KEYS = (
    "job_id",
    "state",
    "provider",
    "model",
    "slots",
    "quote_usd",
    "cost_usd",
    "seconds",
    "video",
    "last_frame",
    "error",
)


def tell_usage(error: BotError) -> None:
    """What there is to say as JSON when the options themselves could not be read."""
    fault = {"code": error.code, "message": str(error)}
    typer.echo(json.dumps(dict.fromkeys(KEYS) | {"slots": {}, "error": fault}))


@dataclass(kw_only=True)
class Teller:
    """Says what happens: stages and notes on standard error, the outcome on standard output."""

    wish: Wish
    as_json: bool
    job: Job | None = None
    last_frame: str | None = None
    """Where the finished clip's last frame lies."""
    said: set[str] = field(default_factory=set)

    def tell_stage(self, job: Job) -> None:
        self.job = job
        if job.plan is not None:
            self._tell_notes(job.plan)
        if job.is_open or job.state is JobState.DELIVERED:
            self._say_once(f"{job.id}  {words.stage(job)}")

    def _tell_notes(self, plan: Plan) -> None:
        for note in plan.notes:
            self._say_once(f"note: {note}")

    def _say_once(self, line: str) -> None:
        if line not in self.said:
            typer.echo(line, err=True)
            self.said.add(line)

    def tell_plan(self, plan: Plan, quote_micros: int, wire: WireRequest) -> None:
        shown = {"method": wire.method, "url": wire.url, "headers": wire.headers, "body": wire.body}
        body = self._body() | _planned(plan) | {"quote_usd": decimal_dollars(quote_micros), "request": shown}
        self._tell_notes(plan)
        if self.as_json:
            typer.echo(json.dumps(body))
            return
        for slot, name in self.wish.slots.items():
            typer.echo(f"{slot}  {name}")
        typer.echo(f"{plan.provider}: {words.options(plan)}")
        typer.echo(f"price: ${decimal_dollars(quote_micros)} at most")
        typer.echo(f"{wire.method} {wire.url}")
        for name, value in wire.headers.items():
            typer.echo(f"{name}: {value}")
        typer.echo(json.dumps(wire.body, indent=2, ensure_ascii=False))

    def tell_refusal(self, error: BotError) -> None:
        if self.as_json:
            refused = {} if self.job else {"state": JobState.REFUSED.value if _is_refusal(error) else None}
            fault = {"code": error.code, "message": str(error)}
            typer.echo(json.dumps(self._body() | refused | {"error": fault}))
        else:
            typer.echo(str(error), err=True)

    def tell_end(self, job: Job) -> None:
        self.job = job
        if self.as_json:
            typer.echo(json.dumps(self._body()))
        elif job.state is JobState.DELIVERED and isinstance(job.target, FileTarget):
            typer.echo(job.target.path)
        else:
            typer.echo(job.error_text or words.stage(job), err=True)
            if job.state is JobState.UNDELIVERABLE:
                typer.echo(f"The clip is kept at {job.clip_path}", err=True)

    def _body(self) -> dict[str, object]:
        """Every key is always there."""
        known = {"provider": self.wish.provider, "seconds": self.wish.duration, "slots": self.wish.slots}
        outcome = {} if self.job is None else _outcome(self.job) | {"last_frame": self.last_frame}
        return dict.fromkeys(KEYS) | known | outcome


def _is_refusal(error: BotError) -> bool:
    return isinstance(error, RequestError | QuotaError)


def _planned(plan: Plan) -> dict[str, object]:
    return {"provider": plan.provider, "model": plan.model, "seconds": plan.duration_seconds}


def _outcome(job: Job) -> dict[str, object]:
    delivered = job.state is JobState.DELIVERED
    places = {JobState.UNDELIVERABLE: job.clip_path}
    if delivered and isinstance(job.target, FileTarget):
        places[JobState.DELIVERED] = job.target.path
    planned = {} if job.plan is None else _planned(job.plan)
    return planned | {
        "job_id": str(job.id),
        "state": job.state.value,
        "quote_usd": None if job.quote_micros is None else decimal_dollars(job.quote_micros),
        "cost_usd": decimal_dollars(job.cost_micros or 0) if delivered else None,
        "video": places.get(job.state),
        "error": {"code": job.error_code, "message": job.error_text} if job.error_code else None,
    }
