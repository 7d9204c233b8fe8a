"""`dailies jobs`, `dailies ledger …`, `dailies backup`: looking at the books beside a running bot."""

import asyncio
import csv
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bot.commandline.ending import Status
from bot.commandline.places import check_place
from bot.domain.quota import Unit, amount_words, decimal_dollars
from bot.settings import load_settings
from bot.storage.verify import Verdict
from bot.wiring import back_up, look, verify_books

JOBS_MAX = 100_000
JOB_KEYS = (
    "id",
    "guild_id",
    "member_id",
    "state",
    "provider",
    "task_id",
    "attempts",
    "quote_usd",
    "cost_usd",
    "thread_id",
    "message_id",
    "parent_id",
    "error_code",
)

NOTHING = Verdict(ok=True, entries=0, balances=0, open_holds=0, problems=())
"""Before the first start there are no books, and nothing is wrong with them."""

AsJson = Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")]

ledger = typer.Typer(help="The ledger: what was granted, held, charged and freed.", no_args_is_help=True)


def jobs(*, as_json: AsJson = False) -> None:
    """Every job, the newest first."""
    listed = [_job(line) for line in asyncio.run(_listing())]
    if as_json:
        typer.echo(json.dumps(listed))
        return
    if not listed:
        typer.echo("No jobs yet.", err=True)
    for job in listed:
        cost = job["cost_usd"] or job["quote_usd"] or "-"
        typer.echo(f"{job['id']}  {job['state']:<13}  {job['provider'] or '-':<11}  ${cost}  {job['error_code'] or ''}")


@ledger.command("verify")
def verify(*, as_json: AsJson = False) -> None:
    """Check every invariant of the ledger."""
    settings = load_settings()
    found = verify_books(settings) if settings.database_path.exists() else NOTHING
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    else:
        typer.echo(f"{found.entries} entries, {found.balances} balances, {found.open_holds} open holds")
        for problem in found.problems:
            typer.echo(f"PROBLEM  {problem}")
        typer.echo("ok" if found.ok else "NOT OK")
    raise typer.Exit(Status.DONE if found.ok else Status.FAILED)


@ledger.command("show")
def show(*, as_json: AsJson = False) -> None:
    """Every balance, and per provider what members were charged beside what it cost."""
    lines, costs = asyncio.run(_balances())
    balances = [_balance(line) for line in lines]
    if as_json:
        typer.echo(json.dumps({"balances": balances, "costs": [_cost_line(line) for line in costs]}))
        return
    if not balances:
        typer.echo("No balances yet.", err=True)
    for one in balances:
        whose = one["member_id"] or one["guild_id"] or ""
        left = f", {one['left']} left of {one['limit']}" if one["limit"] is not None else ""
        typer.echo(f"{one['owner']} {whose}  {one['period']}  {one['spent']} spent, {one['held']} held{left}")
    for cost in map(_cost_line, costs):
        figures = f"${cost['charged_usd']} charged, ${cost['cost_usd']} cost, ${cost['difference_usd']} difference"
        typer.echo(f"{cost['provider']}  {cost['month']}  {figures}")


@ledger.command("export")
def export(*, as_json: AsJson = False) -> None:
    """The whole journal as CSV, the oldest first."""
    entries = asyncio.run(_journal())
    if as_json:
        typer.echo(json.dumps(entries))
        return
    writer = csv.DictWriter(sys.stdout, fieldnames=list(_ENTRY_KEYS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(entries)


def backup(dest: Path) -> None:
    """A consistent copy of the database, also while the bot runs."""
    settings = load_settings()
    check_place(dest.absolute(), shown=str(dest))
    back_up(settings, dest.absolute())
    typer.echo(str(dest))


Line = dict[str, str | int | None]
_ENTRY_KEYS = (
    "seq",
    "at_ms",
    "owner",
    "guild_id",
    "member_id",
    "period",
    "kind",
    "direction",
    "unit",
    "amount",
    "job_id",
    "actor",
    "reason",
)


async def _listing() -> list[Line]:
    async with look(load_settings()) as views:
        return [] if views is None else await views.listing(limit=JOBS_MAX)


async def _balances() -> tuple[list[Line], list[Line]]:
    async with look(load_settings()) as views:
        return ([], []) if views is None else (await views.balances(), await views.costs())


async def _journal() -> list[Line]:
    """Transfers and decisions together, by their time."""
    async with look(load_settings()) as views:
        if views is None:
            return []
        transfers = [_entry(line) async for line in views.journal()]
        decisions = [_decision(line) async for line in views.audit_trail()]
    return sorted([*transfers, *decisions], key=lambda line: int(line["at_ms"] or 0))


def _job(line: Line) -> Line:
    """The contract's keys: ids are strings, dollars decimal strings."""
    where = line["thread_id"] if line["channel_id"] is None else line["channel_id"]
    known = {**line, "thread_id": where}
    known |= {"quote_usd": _usd(line["quote_micros"]), "cost_usd": _cost(line)}
    texts = {"id", "guild_id", "member_id", "thread_id", "message_id", "parent_id"}
    return {key: _text(known[key]) if key in texts else known[key] for key in JOB_KEYS}


def _cost(line: Line) -> str | None:
    return _usd(line["cost_micros"]) if line["state"] == "DELIVERED" else None


def _balance(line: Line) -> Line:
    unit = Unit(str(line["unit"]))
    granted, spent, held = (int(line[key] or 0) for key in ("granted", "spent", "held"))
    limited = bool(line["limited"])
    return {
        "owner": line["owner"],
        "guild_id": _text(line["guild_id"]),
        "member_id": _text(line["member_id"]),
        "unit": unit.value,
        "period": line["name"],
        "limit": amount_words(unit, granted) if limited else None,
        "spent": amount_words(unit, spent),
        "held": amount_words(unit, held),
        "left": amount_words(unit, granted - spent - held) if limited else None,
    }


def _entry(line: Line) -> Line:
    amount = int(line["amount"] or 0)
    shown = decimal_dollars(amount) if line["unit"] == Unit.USD else amount
    known = {**line, "period": line["name"], "amount": shown}
    texts = {"guild_id", "member_id", "job_id"}
    return {key: _text(known[key]) if key in texts else known[key] for key in _ENTRY_KEYS}


def _decision(line: Line) -> Line:
    """Who decided what, in the columns of the journal."""
    said = f"{line['what']}: {line['before']} → {line['after']}"
    known = {**dict.fromkeys(_ENTRY_KEYS), **line, "kind": "decision", "reason": said}
    return {key: _text(known[key]) if key == "guild_id" else known[key] for key in _ENTRY_KEYS}


def _cost_line(line: Line) -> Line:
    figures = {f"{name}_usd": _usd(line[f"{name}_micros"]) for name in ("charged", "cost", "difference")}
    return {"provider": line["provider"], "month": line["month"], **figures}


def _usd(micros: str | int | None) -> str | None:
    return None if micros is None else decimal_dollars(int(micros))


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)
