"""All commands together, and what each kind of fault means for the exit status."""

import io
import sys
from collections.abc import Sequence

import typer

from bot.commandline import books, demo, doctor, generate, providers, run, telling
from bot.commandline.ending import Status, status_of
from bot.commandline.faults import InterruptedError, UsageError  # noqa: A004 -- said there
from bot.domain.errors import BotError

app = typer.Typer(
    name="dailies",
    help="SeeDance video inside a Discord server's threads.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("demo")(demo.demo)
app.command("generate")(generate.generate)
app.command("doctor")(doctor.doctor)
app.command("providers")(providers.providers)
app.command("jobs")(books.jobs)
app.command("backup")(books.backup)
app.add_typer(books.ledger, name="ledger")


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may know fewer letters than a prompt
    sys.exit(_status(sys.argv[1:] or ["--help"]))


def _status(arguments: Sequence[str]) -> int:
    try:
        status = app(arguments, prog_name="dailies", standalone_mode=False) or Status.DONE
    except typer.TyperException as error:
        fault = UsageError(reason=_sentence(error.format_message()), command=_command(arguments))
        if _command(arguments) == "generate " and "--json" in arguments:
            telling.tell_usage(fault)
        else:
            typer.echo(str(fault), err=True)
        return Status.BAD_REQUEST
    except BotError as error:
        typer.echo(str(error), err=True)
        return status_of(error)
    if status == Status.INTERRUPTED and _command(arguments) != "generate ":
        typer.echo(str(InterruptedError()), err=True)
    return int(status)


def _command(arguments: Sequence[str]) -> str:
    names = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    return f"{arguments[0]} " if arguments[0] in names else ""


def _sentence(words: str) -> str:
    return words if words.endswith((".", "?", "!")) else f"{words}."
