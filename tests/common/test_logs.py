"""Log lines: one JSON object each, no secret in any of them, whatever is logged."""

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from momentry.common import logs, request_id, scrub
from momentry.common.crypto.generate import generate
from momentry.common.env import Environment

KEY = "muser_" + "0190c0ffee" * 3 + "ab_t1x2y3_" + "Z9" * 21 + "q_abCD12efGH34"
RING = generate("encryption-key")
PEPPER = generate("pepper")
ENVIRONMENT = Environment(
    {
        "ENCRYPTION_KEY": f"{RING},{generate('encryption-key')}",
        "API_KEY_PEPPERS": PEPPER,
        "ADMIN_TOKEN": "admin/token+with \"quotes\" and 'more'",
        "DATABASE_URL": "postgresql://momentry:p%40ss-word%2F1@db:5432/momentry",
        "API_KEY_HASHER": "argon2id",
        "LOG_LEVEL": "DEBUG",
    }
)
SECRETS = [
    KEY[12:],
    RING,
    RING.rstrip("="),
    PEPPER[2:],
    "admin/token+with",
    "p%40ss-word%2F1",
    "p@ss-word/1",
    "hunter2-hunter2",
]
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """Configures logging and undoes it; answers what was written since, parsed."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook, threading.excepthook
    shown = warnings.showwarning
    values = set(scrub.known.values)
    logs.configure("test", ENVIRONMENT)

    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    root.handlers[:], level, sys.excepthook, threading.excepthook = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    warnings.showwarning = shown
    structlog.reset_defaults()
    scrub.known.values = values
    scrub.known.add(())


def without_pytests_handlers() -> None:
    """They raise on purpose, and a worker of xdist cannot send a lone surrogate."""
    logging.getLogger().handlers[1:] = []


def assert_clean(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text] == []


def test_a_line_has_time_level_logger_event_and_request_id(lines: Lines) -> None:
    token = request_id.current.set("0190-request")
    structlog.get_logger("momentry.test").info("key issued", member=7, ok=True, ratio=float("nan"))
    logging.getLogger("uvicorn.error").warning("slow by %d ms", 12)
    request_id.current.reset(token)
    structlog.get_logger("momentry.test").info("own id", request_id="0191-mine")

    first, second, third = lines()

    assert first["ts"].endswith("Z")
    assert (first["level"], first["logger"], first["event"]) == (
        "info",
        "momentry.test",
        "key issued",
    )
    assert (first["member"], first["ok"], first["ratio"]) == (7, True, "nan")
    assert (second["event"], second["logger"]) == ("slow by 12 ms", "uvicorn.error")
    assert first["request_id"] == second["request_id"] == "0190-request"
    assert third["request_id"] == "0191-mine"


class Rude:
    """An object whose text holds a secret."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"<Rude {self.text!r}>"


CARRIERS: list[Callable[[str], Any]] = [
    lambda s: s,
    lambda s: s.encode(),
    lambda s: [1, (s, {"deep": {"deeper": [s]}})],
    lambda s: {s: s},
    lambda s: {"headers": [(b"authorization", f"Bearer {s}".encode())]},
    ValueError,
    lambda s: [Rude(s)],
    lambda s: json.dumps({"q": json.dumps({"api_key": s})}),
    lambda s: f"https://user:{s}@host/?api_key={s}&page=1",
    lambda s: repr({"password": s}),
    lambda s: f"Cookie: sessionid={s}; csrftoken={s}\nnext",
    lambda s: f"password={s}",
]


@pytest.mark.parametrize(
    "secret",
    [KEY, RING, PEPPER, ENVIRONMENT.text("ADMIN_TOKEN")],
    ids=["key", "ring key", "pepper", "admin token"],
)
@pytest.mark.parametrize("number", range(len(CARRIERS)))
def test_no_secret_gets_through_in_any_shape(lines: Lines, secret: str, number: int) -> None:
    """LOG-01."""
    value = CARRIERS[number](secret)

    structlog.get_logger().info("event", value=value)
    structlog.get_logger().info(str(value))
    logging.getLogger("django").error("broken %s", value)
    logging.getLogger("celery").error({"event": value})

    found = lines()
    assert len(found) == 4
    assert_clean(json.dumps(found, ensure_ascii=False))
    for text in map(json.dumps, found):
        assert_clean(text.replace('\\"', '"').replace("\\\\", "\\"))


def test_exceptions_their_causes_and_notes_are_scrubbed(lines: Lines) -> None:
    def connect(password: str) -> None:
        raise ConnectionError(f"postgresql://momentry:{password}@db/momentry and {KEY}")

    try:
        try:
            connect("p%40ss-word%2F1")
        except ConnectionError as cause:
            raise RuntimeError(f"Authorization: Bearer {KEY}") from cause
    except RuntimeError as error:
        error.add_note(f"api_key={RING}")
        structlog.get_logger().exception("failed")
        logging.getLogger("django.request").exception("failed too")

    for line in lines():
        assert_clean(json.dumps(line))
        assert "RuntimeError" in line["exception"]
        assert "ConnectionError" in line["exception"]
        assert "\n" in line["exception"]


def test_values_under_a_secret_name_are_hidden_whatever_they_are(lines: Lines) -> None:
    names = ["password", "clientSecret", "X-API-Key", "Set-Cookie", "csrfmiddlewaretoken"]
    structlog.get_logger().info(
        "event", **dict.fromkeys(names, "x1"), tokens=12, token=None, deep=[{"apiKey": ["x1"]}]
    )

    (line,) = lines()
    assert {line[name] for name in names} == {scrub.HIDDEN}
    assert (line["tokens"], line["token"]) == (12, None)
    assert line["deep"] == [{"apiKey": scrub.HIDDEN}]


def test_a_line_cannot_be_broken_or_colour_a_terminal(
    lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    """LOG-04."""
    hostile = 'a\r\n{"level":"info"}\x1b[31m\x00\x85\u2028\u202e\ud800\x7f'

    without_pytests_handlers()
    logging.getLogger("django").warning("user %s", hostile)
    structlog.get_logger().warning(hostile, name=hostile, **{"k\n": {"deep\n": hostile}})

    out = capsys.readouterr().out
    assert len(out.splitlines()) == 2
    assert out.isascii()
    for document in map(json.loads, out.splitlines()):
        assert list(texts(document))
        assert [text for text in texts(document) if not text.isprintable()] == []
        assert "a\\r\\n{" in document["event"]


def texts(value: Any) -> Iterator[str]:
    """Every string in a document, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)


class Broken:
    def __str__(self) -> str:
        raise RuntimeError(KEY)

    __repr__ = __str__


def test_logging_never_raises_and_prints_nothing_raw(
    lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    without_pytests_handlers()
    loop: list[Any] = []
    loop.append(loop)
    log = structlog.get_logger()

    log.info("broken", value=Broken(), loop=loop, big=10**5000, keys={Broken(): 1})
    logging.getLogger("x").info("too %s few %s", *[KEY])
    logging.getLogger("x").info("none", *[KEY])
    logging.getLogger("x").info("%s", Broken())
    logging.getLogger("x").info(Broken())
    log.info("long", value="é" * 100_000)

    captured = capsys.readouterr()
    assert captured.err == ""
    assert len([json.loads(line) for line in captured.out.splitlines()]) == 6
    assert_clean(captured.out)
    assert all(len(line) < 150_000 for line in captured.out.splitlines())


class Closed(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_if_the_output_is_gone_then_nothing_is_raised_or_printed_elsewhere(
    lines: Lines, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Closed())
        logging.getLogger("x").error("lost %s", KEY)

    assert capsys.readouterr() == ("", "")


def test_uncaught_exceptions_and_warnings_are_lines_too(lines: Lines) -> None:
    error = RuntimeError(f"password={RING}")
    sys.excepthook(RuntimeError, error, None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(f"old {KEY}", UserWarning, stacklevel=1)

    first, second = lines()
    assert (first["level"], first["event"]) == ("critical", "uncaught")
    assert second["logger"] == "py.warnings"
    assert_clean(json.dumps([first, second]))


def test_short_words_and_harmless_settings_stay_readable(lines: Lines) -> None:
    structlog.get_logger().info("momentry on db:5432 uses argon2id")

    assert lines()[0]["event"] == "momentry on db:5432 uses argon2id"


def test_what_our_own_lines_say_beside_is_told_without_secrets(lines: Lines) -> None:
    """What a round, a job or a letter is, and why it failed."""
    said = {"round": "mail", "error": "OSError", "at": KEY, "token": "hunter2-hunter2"}
    logging.getLogger("momentry.rounds").warning("failed", extra=said)

    (line,) = lines()
    assert (line["event"], line["round"], line["error"]) == ("failed", "mail", "OSError")
    assert not [secret for secret in SECRETS if secret in json.dumps(line)]


@pytest.mark.parametrize("name", ["celery.worker.strategy", "django.request", "momentry_other"])
def test_what_others_say_beside_is_not(name: str, lines: Lines) -> None:
    """Arguments of tasks, whole requests."""
    logging.getLogger(name).error("received", extra={"data": {"args": ["alice@example.org"]}})

    (line,) = lines()
    assert set(line) == {"ts", "level", "logger", "service", "event"}


def test_nothing_beside_stands_in_place_of_what_every_line_has(lines: Lines) -> None:
    logging.getLogger("momentry.x").error("a", extra={"level": "debug", "service": "b", "ts": 0})

    (line,) = lines()
    assert (line["level"], line["service"]) == ("error", "test")
