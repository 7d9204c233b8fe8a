"""Logs go to standard error: lines for people at a terminal, JSON elsewhere. Never a prompt, a key or a signed link."""

import logging
import sys

import structlog
from structlog.dev import plain_traceback
from structlog.tracebacks import ExceptionDictTransformer

from bot.settings import Settings

_TRACEBACKS = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
"""Local variables hold prompts and keys: no traceback shows them."""


def set_up_logs(settings: Settings, *, quiet: bool = False) -> None:
    """`quiet`: errors only, unless a level was set; for commands that say themselves what happens."""
    level = "ERROR" if quiet and "log_level" not in settings.model_fields_set else settings.log_level
    as_json = settings.log_format == "json" or (settings.log_format is None and not sys.stderr.isatty())
    stamps = structlog.processors.TimeStamper(fmt="iso", utc=True)
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        stamps,
    ]
    last: list[structlog.typing.Processor] = [_TRACEBACKS, structlog.processors.JSONRenderer()]
    if not as_json:
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain_traceback)]
    structlog.configure(
        processors=[*before, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _quiet_libraries()


def _quiet_libraries() -> None:
    """Libraries say only what went wrong: their lower levels hold addresses with tokens in them."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for name in ("discord", "httpx", "httpcore", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of missing intents, and doing without them is the plan.
    logging.getLogger("discord.state").setLevel(logging.ERROR)
