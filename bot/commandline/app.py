"""All commands together, and what each kind of fault means for the exit status."""

import sys

import typer

from bot.commandline import books, demo, doctor, generate, run
from bot.commandline.ending import Status, status_of
from bot.domain.errors import BotError

app = typer.Typer(
    name="dailies",
    help="SeeDance video inside a Discord server's threads.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("demo")(demo.demo)
app.command("generate")(generate.generate)
app.command("doctor")(doctor.doctor)
app.command("jobs")(books.jobs)
app.command("backup")(books.backup)
app.add_typer(books.ledger, name="ledger")


def main() -> None:
    try:
        app()
    except BotError as error:
        typer.echo(str(error), err=True)
        sys.exit(status_of(error))
    except KeyboardInterrupt:
        typer.echo("Interrupted. What was under way continues at the next start.", err=True)
        sys.exit(Status.INTERRUPTED)
