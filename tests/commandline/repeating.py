"""Runs the command with each of the argument lists on standard input, and tells as JSON what each one did."""

import contextlib
import io
import json
import sys

from bot.commandline import main


def once(arguments: list[str]) -> dict[str, object]:
    sys.argv = ["dailies", *arguments]
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    status: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code
    return {"status": status, "out": read(out), "err": read(err)}


def read(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


if __name__ == "__main__":
    json.dump([once(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
