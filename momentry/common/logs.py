"""JSON logs on standard output for every process: one object per line, without secrets.

structlog and the stdlib logging tree share one formatter. The server processes without Django call
``configure(service)``; Django calls ``configure_django`` through LOGGING_CONFIG.
"""

import json
import logging
import sys
import threading
from collections.abc import MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

from momentry.common import request_id, scrub
from momentry.common.env import Environment

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
QUIET: Final = {"uvicorn.access": "WARNING", "django.server": "WARNING", "celery.beat": "WARNING"}
"""Loggers that say nothing the request log does not say better."""

Event = MutableMapping[str, Any]
OURS: Final = {"accounts", "apikeys", "events", "momentry", "provisioning", "proxy", "videos"}
"""Whose ``extra`` is told. Others put whole requests and arguments of tasks there."""
USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record as one line. Never raises: what cannot be formatted is logged as such."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        try:
            return json.dumps(self.document(record))
        except Exception as error:  # noqa: BLE001  logging never raises
            return json.dumps({**self.head(record), "event": f"unloggable: {type(error).__name__}"})

    def document(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = event_of(record)
        document = self.head(record) | {"event": scrub.line(scrub.text_of(fields.pop("event", "")))}
        request = fields.pop("request_id", "") or request_id.current.get()
        if request:
            document["request_id"] = scrub.line(scrub.text_of(request))
        if record.exc_info and record.exc_info[0] is not None:
            document["exception"] = scrub.lines(self.formatException(record.exc_info))
        elif record.exc_text:
            document["exception"] = scrub.lines(record.exc_text)
        cleaned = scrub.clean(fields)
        return document | {name: cleaned[name] for name in cleaned if name not in document}

    def head(self, record: logging.LogRecord) -> dict[str, Any]:
        moment = datetime.fromtimestamp(record.created, UTC)
        return {
            "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "service": self.service,
        }


def event_of(record: logging.LogRecord) -> dict[str, Any]:
    """structlog hands its fields over as the message; others have a message with arguments."""
    if isinstance(record.msg, dict) and not record.args:
        fields = dict(record.msg)
    else:
        fields = {"event": message_of(record)} | extra_of(record)
    status = getattr(record, "status_code", None)  # set by django.request
    return fields if status is None else fields | {"status": status}


def extra_of(record: logging.LogRecord) -> dict[str, Any]:
    if record.name.partition(".")[0] not in OURS:
        return {}
    return {name: value for name, value in vars(record).items() if name not in USUAL}


def message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  logging never raises
        return f"{scrub.text_of(record.msg)} {scrub.text_of(record.args)}"


class Output(logging.StreamHandler[TextIO]):
    """Standard output as it is now (tests replace it); a closed pipe is no reason to fail."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # looked up for each line
        return sys.stdout

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  its name in the standard library
        """Silent: the inherited one prints the record's arguments, secrets included."""


def hand_over(_logger: Any, _method: str, fields: Event) -> tuple[tuple[Any], dict[str, Any]]:
    """structlog's last processor: the fields become the stdlib record's message."""
    exc_info = fields.pop("exc_info", None)
    fields.pop("stack_info", None)
    return (dict(fields),), {"exc_info": exc_info}


def configure(service: str, environment: Environment | None = None) -> None:
    """Sends every logger of this process to standard output; learns the environment's secrets.

    ``LOG_LEVEL`` (default INFO) is the root's. Calling it again replaces what it did before.
    """
    environment = environment or Environment()
    scrub.learn_environment(environment)
    handler = Output()
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(environment.choice("LOG_LEVEL", "INFO", LEVELS))
    own_no_handlers()
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            hand_over,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    sys.excepthook, threading.excepthook = log_uncaught, log_uncaught_in_thread


def own_no_handlers() -> None:
    """Loggers that libraries gave handlers of their own write through the root alone."""
    for logger in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.propagate = True
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)


def configure_django(config: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG, called with LOGGING, which names the service."""
    configure(str(config.get("service", "django")))


def log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("momentry").critical("uncaught", exc_info=(kind, error, traceback))


def log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not issubclass(arguments.exc_type, SystemExit):
        log_uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
