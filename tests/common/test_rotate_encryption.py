"""rotate_encryption and check_encryption on a real database: under load, killed, and twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from urllib.parse import quote
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from events.models import Event, Mail
from momentry.common.crypto import rotation
from momentry.common.crypto.generate import generate
from momentry.common.crypto.keyring import KeyRing, get_ring

OLD, NEW = generate("encryption-key"), generate("encryption-key")
Use = Callable[..., KeyRing]


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    def use(*keys: str) -> KeyRing:
        monkeypatch.setenv("ENCRYPTION_KEY", ",".join(keys))
        get_ring.cache_clear()
        return get_ring()

    yield use
    monkeypatch.undo()
    get_ring.cache_clear()


def make(count: int) -> list[Mail]:
    return Mail.objects.bulk_create(
        [Mail(template="t", recipient=f"{number}@example.org") for number in range(count)]
    )


def command(name: str) -> str:
    out = StringIO()
    call_command(name, stdout=out, stderr=StringIO())
    return out.getvalue()


def left(current: KeyRing) -> int:
    envelopes = Mail.objects.values_list("recipient", flat=True)
    return sum(not current.is_current(envelope) for envelope in envelopes)


@pytest.mark.django_db
def test_rotation_seals_everything_under_the_newest_key(ring: Use) -> None:
    """ENC-03: afterwards the old key is not needed any more."""
    ring(OLD)
    texts = {mail.pk: mail.recipient for mail in make(3)}
    Event.objects.create(kind="k", actor="a", subject="s", details="{}")
    Event.objects.create(kind="k", actor="a", subject="s")
    ring(NEW, OLD)

    first, second = command("rotate_encryption"), command("rotate_encryption")

    assert "Sealed 4 values" in first
    assert "Sealed 0 values" in second
    assert "may be removed" in first
    ring(NEW)
    assert {mail.pk: mail.recipient for mail in Mail.objects.all()} == texts
    assert "All 4 encrypted values open." in command("check_encryption")


@pytest.mark.django_db
def test_rows_that_do_not_open_are_named_left_alone_and_fail_the_commands(ring: Use) -> None:
    ring(OLD)
    alice, bob, carol = make(3)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE events_mail SET recipient = (SELECT recipient FROM events_mail WHERE id = %s)"
            " WHERE id = %s",
            [alice.pk, bob.pk],
        )
        cursor.execute("UPDATE events_mail SET recipient = 'plain' WHERE id = %s", [carol.pk])
    ring(NEW, OLD)
    out = StringIO()

    with pytest.raises(CommandError, match="2 values are not under the newest key") as raised:
        call_command("rotate_encryption", stdout=out, stderr=StringIO())

    assert raised.value.returncode == 1
    assert f"events_mail.recipient, row {bob.pk}: " in out.getvalue()
    assert f"events_mail.recipient, row {carol.pk}: " in out.getvalue()
    assert str(alice.pk) not in out.getvalue()
    assert Mail.objects.get(pk=alice.pk).recipient == "0@example.org"
    with pytest.raises(CommandError, match="2 of 3 values do not open"):
        call_command("check_encryption", stdout=StringIO(), stderr=StringIO())


@pytest.mark.django_db
def test_check_counts_values_per_key_and_reports_a_lost_key(ring: Use) -> None:
    old = ring(OLD)
    make(2)
    current = ring(NEW, OLD)
    make(1)

    counted = command("check_encryption")
    ring(NEW)
    out = StringIO()
    with pytest.raises(CommandError, match="2 of 3 values do not open"):
        call_command("check_encryption", stdout=out, stderr=StringIO())

    assert f"key 1 ({current.newest}): 1 values" in counted
    assert f"key 2 ({old.newest}): 2 values" in counted
    assert f"key {old.newest}, not in the ring: 2 values" in out.getvalue()
    assert "example.org" not in counted + out.getvalue()


@pytest.mark.django_db
def test_a_value_written_between_reading_and_sealing_is_kept(
    ring: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENC-03: the moment that matters, made certain."""
    ring(OLD)
    (mail,) = make(1)
    ring(NEW, OLD)
    seal = rotation.Column.replace

    def write_first(column: rotation.Column, row: rotation.Row, envelope: str) -> bool:
        Mail(pk=mail.pk, template="t", recipient="written@example.org").save(force_update=True)
        return seal(column, row, envelope)

    monkeypatch.setattr(rotation.Column, "replace", write_first)

    assert "Sealed 0 values" in command("rotate_encryption")
    assert Mail.objects.get(pk=mail.pk).recipient == "written@example.org"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_no_write_is_lost_under_load(ring: Use) -> None:
    """ENC-03: a writer changes rows all the while; its last word on each row stands."""
    ring(OLD)
    mails = make(1500)
    current = ring(NEW, OLD)
    written: dict[UUID, str] = {}
    done = threading.Event()

    def keep_writing() -> None:
        number = 0
        while not done.is_set():
            mail = mails[number * 7 % len(mails)]
            mail.recipient = f"written-{number}@example.org"
            mail.save(update_fields=["recipient"])
            written[mail.pk] = mail.recipient
            number += 1
        connection.close()

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        command("rotate_encryption")
    finally:
        done.set()
        writer.join()

    stored = {mail.pk: mail.recipient for mail in Mail.objects.all()}
    assert left(current) == 0
    assert len(written) > 10
    assert {pk: stored[pk] for pk in written} == written


def database_url() -> str:
    parts = {name: quote(str(value), safe="/") for name, value in connection.settings_dict.items()}
    login = f"{parts['USER']}:{parts['PASSWORD']}"
    return f"postgresql://{login}@/{parts['NAME']}?host={parts['HOST']}&port={parts['PORT']}"


def start_rotation() -> subprocess.Popen[str]:
    variables = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "momentry.settings",
        "ENCRYPTION_KEY": f"{NEW},{OLD}",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "django", "rotate_encryption"],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_killed_rotation_goes_on_where_it_was(ring: Use) -> None:
    """ENC-03."""
    ring(OLD)
    texts = {mail.pk: mail.recipient for mail in make(4000)}
    current = KeyRing.from_text(f"{NEW},{OLD}")

    process = start_rotation()
    deadline = time.monotonic() + 30
    while left(current) == len(texts) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    after_kill = left(current)
    ring(NEW, OLD)
    readable = {mail.pk: mail.recipient for mail in Mail.objects.all()}
    output = command("rotate_encryption")

    assert 0 < after_kill < len(texts)
    assert readable == texts
    assert f"Sealed {after_kill} values" in output
    ring(NEW)
    assert {mail.pk: mail.recipient for mail in Mail.objects.all()} == texts


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_rotations_at_once_do_no_harm(ring: Use) -> None:
    ring(OLD)
    texts = {mail.pk: mail.recipient for mail in make(300)}

    processes = [start_rotation(), start_rotation()]
    results = [process.communicate(timeout=60) for process in processes]

    assert [process.returncode for process in processes] == [0, 0], results
    ring(NEW)
    assert {mail.pk: mail.recipient for mail in Mail.objects.all()} == texts
