"""Logs go to standard error: lines for people at a terminal, JSON elsewhere. Never a prompt, a key or a signed link."""

import logging
import sys

import structlog

from bot.settings import Settings


def set_up_logs(settings: Settings) -> None:
    as_json = settings.log_format == "json" or (settings.log_format is None and not sys.stderr.isatty())
    stamps = structlog.processors.TimeStamper(fmt="iso", utc=True)
    before = [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, stamps]
    last = (
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[*before, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _quiet_libraries()


def _quiet_libraries() -> None:
    """Libraries say only what went wrong: their lower levels hold addresses with tokens in them."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for name in ("discord", "httpx", "httpcore", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)
