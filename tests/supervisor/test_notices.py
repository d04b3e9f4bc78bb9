"""How children tell how far they are, and how `restart` and `up` speak."""

import socket
import threading
from pathlib import Path

import pytest

from momentry.common import notify
from momentry.supervisor.control import DONE, FAILED, Asker, Control, ask_for_restart
from momentry.supervisor.errors import CannotStartError
from momentry.supervisor.notices import RESTART, Notices
from tests.supervisor.tools import until


def test_what_a_process_tells_is_read_and_the_last_word_counts(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices = Notices(place / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(notices.path))

    notify.tell_restarting()
    notify.tell_restart("waiting", "process 7 is\nnot ready")
    notify.tell_restart("done", "2 processes serve.")

    with notices.socket:
        said = notices.read()
        assert (said[RESTART], said["STATUS"], said["READY"]) == ("done", "2 processes serve.", "1")
        assert said["MONOTONIC_USEC"].isdigit()
        assert notices.read() == {}


def test_to_tell_nobody_is_no_error(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(place / "gone"))

    notify.tell(notify.READY)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["Django replaced", DONE], ""),
        (["Django replaced", f"{FAILED}PORT is taken."], "PORT is taken."),
        (["Django replaced"], "momentry ended before it had restarted; see its logs."),
    ],
)
def test_who_asks_is_told_the_progress_and_the_outcome(
    place: Path, capsys: pytest.CaptureFixture[str], lines: list[str], reason: str
) -> None:
    control = Control(place / "control")
    said: list[str] = []

    def ask() -> None:
        try:
            ask_for_restart(place / "control")
        except CannotStartError as error:
            said.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    with control.listener:
        assert until(lambda: bool(asker := control.asker()) and answer(asker, lines))
    thread.join(5)

    assert said == ([reason] if reason else [])
    assert capsys.readouterr().out == "Django replaced\n"


def answer(asker: Asker, lines: list[str]) -> bool:
    for line in lines:
        asker.say(line)
    asker.close()
    return True


def test_who_only_connects_asks_for_nothing(place: Path) -> None:
    control = Control(place / "control")
    with socket.socket(socket.AF_UNIX) as stranger, control.listener:
        stranger.connect(str(place / "control"))
        stranger.sendall(b"GET / HTTP/1.1\r\n")

        assert control.asker() is None
