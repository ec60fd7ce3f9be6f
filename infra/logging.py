"""One line an event, to stderr, for people or for machines; every library's log goes the same way."""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import Processor

QUIETER = {
    "kafka": logging.CRITICAL,  # its errors reach us as exceptions
    "aiokafka": logging.ERROR,
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpx": logging.WARNING,  # a line for every call
    "alembic": logging.WARNING,  # it tells of its plugins when it is imported
    "abc": logging.WARNING,  # mode logs the starts and stops of our Faust services under their modules' names
    "streams.runs": logging.WARNING,
}
"""The least that libraries may log, however talkative we are."""

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
]


def configure_logging(style: str, level: str, stream: TextIO | None = None) -> None:
    """Say once, at the start of a process, how its log looks.

    Every line has ``at`` (RFC 3339, UTC), ``level``, ``logger`` and ``event``, then what the event carries.

    Args:
        style: ``console`` or ``json``.
        level: The least that is logged: debug, info, warning or error.
        stream: Where to; none means stderr.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # modules make theirs before this runs
    )
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_SHARED, processors=_last(style, target.isatty()))
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name, least in QUIETER.items():
        logging.getLogger(name).setLevel(max(least, root.level))


def _last(style: str, colors: bool) -> list[Processor]:
    bare: Processor = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if style == "json":
        return [
            bare,
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("event"),
            structlog.processors.JSONRenderer(default=str),
        ]
    return [bare, structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="at", pad_event_to=0)]
