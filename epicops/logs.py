"""JSON logs, one event one line. Nothing in them identifies a patient."""

import logging.config
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer

logger = logging.getLogger(__name__)


def without_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Leave out what an exception says, which may quote a row or a message, and Django's request with its query."""
    event.pop("request", None)
    for exception in event.get("exception", ()):
        exception.pop("exc_value", None)
        exception.pop("exc_notes", None)
    return event


def logging_config(level: int) -> None:
    """Send every logger's records to stderr as JSON lines at or above `level`."""
    shared = [
        structlog.contextvars.merge_contextvars,  # request_id, worker, batch: whose line it is
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": [*shared, structlog.stdlib.ExtraAdder()],
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        # Never the values of local variables: they may be a message.
                        ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
                        without_values,
                        structlog.processors.JSONRenderer(),
                    ],
                },
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": level},
            # python-hl7 logs field content on a bad escape: that is PHI.
            # django-axes tells of every login four times; the audit trail has it.
            "loggers": {"hl7": {"level": "CRITICAL"}, "axes": {"level": "ERROR"}},
        },
    )


def log_uncaught() -> None:
    """Log what ends a process or a thread without what it says. Whom it ends at a terminal sees all of it."""
    if sys.stderr and not sys.stderr.isatty():
        sys.excepthook = _log_uncaught
        threading.excepthook = lambda ended: _log_uncaught(ended.exc_type, ended.exc_value, ended.exc_traceback)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, (SystemExit, KeyboardInterrupt)):
        logger.critical("uncaught exception", exc_info=(kind, error or kind(), trace))


def take_over(name: str) -> None:
    """Let a logger that has handlers of its own write as all others do; of what was asked for only the path."""
    taken = logging.getLogger(name)
    taken.handlers, taken.propagate = [], True
    taken.addFilter(_without_query)


def _without_query(record: logging.LogRecord) -> bool:
    record.msg, record.args = record.getMessage().partition("?")[0], ()
    return True
