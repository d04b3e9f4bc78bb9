"""audit_export: every event with its details, as lines or a table without formulas (LOG-05)."""

import csv
import json
import stat
import tracemalloc
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from events.chain import export, mending
from events.chain.erasing import erase
from events.chain.sealer import Sealer
from events.kinds import Kind
from events.models import Event
from events.services import record
from tests.events.chained import execute, note, sealed, some

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _of_any_shape(known_payloads: list[str]) -> Iterator[None]:
    """What the details of made-up events hold is no matter here; of all others it is."""
    yield
    made_up = ("apikey:", "chain:head")
    known_payloads[:] = [each for each in known_payloads if not each.startswith(made_up)]


def exported(*words: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("audit_export", *words, stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_every_event_is_a_line_oldest_first():
    note(1, reason="é☃", who={"a": 1})
    note(2)
    Sealer().seal()
    note(3, x=1)
    execute("UPDATE events_event SET details = 'junk' WHERE seq IS NULL")

    first, second, third, _ = exported()

    event = Event.objects.get(subject="mail:1")
    assert first == {
        "seq": 1, "id": str(event.pk), "time": event.occurred_at.isoformat().replace("+00:00", "Z"),
        "kind": "mail:retried", "actor": "staff:1", "subject": "mail:1", "request_id": "",
        "details": {"reason": "é☃", "who": {"a": 1}}, "details_state": "",
        "hash": bytes(event.hash).hex(),
    }  # fmt: skip
    assert (second["details"], second["details_state"]) == (None, "")
    assert (third["seq"], third["hash"], third["details_state"]) == (None, None, "unreadable")


def test_erased_details_are_told_apart_from_none():
    note(1, x=1)
    note(2)
    Sealer().seal()
    note(3, x=1)
    erase(list(Event.objects.values_list("pk", flat=True)))

    assert [row["details_state"] for row in exported()[:3]] == ["erased", "", "erased"]


def test_what_stands_outside_the_chain_has_no_place():
    sealed(2)
    execute("DELETE FROM events_chain")
    mending.restart(actor="test")
    Sealer().seal()

    told = [(row["seq"], row["hash"] is None) for row in exported()[:3]]

    assert told == [(None, True), (None, True), (3, False)]


def test_an_export_is_an_event_too():
    exported("--kind", "mail:retried", "--since", "2026-01-01")

    (told,) = Event.objects.filter(kind="event:exported")
    assert (told.actor, told.subject) == ("command", "events:all")
    assert json.loads(told.details) == {
        "format": "jsonl",
        "filters": {"kind": "mail:retried", "since": "2026-01-01 00:00:00+00:00"},
    }


def test_conditions_must_all_hold():
    some(3)
    with transaction.atomic():
        record(Kind.CHAIN_HEAD, actor="relay", subject="chain:events")
    since = Event.objects.get(subject="mail:1").occurred_at.isoformat()

    def subjects(*words: str) -> list[str]:
        return [row["subject"] for row in exported("--kind", "mail:retried", *words)]

    assert subjects() == ["mail:0", "mail:1", "mail:2"]
    assert subjects("--since", since) == ["mail:1", "mail:2"]
    assert subjects("--until", since) == ["mail:0"]
    assert subjects("--subject", "mail:2") == ["mail:2"]
    assert subjects("--actor", "relay") == []


def test_a_table_has_no_formulas():
    hostile = ["=1+1", "+1", "-1", "@x", "\t=1", "\uff1d1", 'a";\r\n=1']
    for text in hostile:
        with transaction.atomic():
            record(Kind.MAIL_RETRIED, actor=text[:60], subject="mail:1", reason=text)
    out = StringIO()

    call_command("audit_export", "--format", "csv", stdout=out)

    head, *rows = list(csv.reader(StringIO(out.getvalue())))
    assert tuple(head) == export.COLUMNS
    assert len(rows) == len(hostile) + 1
    for row in rows:
        assert not any(cell.lstrip()[:1] in {"=", "+", "-", "@", "\uff1d"} for cell in row)


def test_the_file_is_for_its_owner_alone_and_is_not_overwritten(tmp_path):
    note(1)
    path = tmp_path / "events.jsonl"

    call_command("audit_export", "--output", str(path))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().splitlines()) == 2
    with pytest.raises(CommandError, match="File exists"):
        call_command("audit_export", "--output", str(path))


def test_pages_do_not_repeat_or_lose_and_memory_stays_flat(monkeypatch):
    monkeypatch.setattr(export, "PAGE", 20)
    Event.objects.bulk_create(
        Event(kind="mail:retried", actor="x", subject=f"mail:{number}") for number in range(2000)
    )
    count, peak = 0, 0
    lines = export.texts(export.Q(), export.JSON_LINES)
    next(lines)
    tracemalloc.start()
    for text in lines:
        count += text.count("\n")
        peak = max(peak, tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()

    assert count == 1980
    assert peak < 2**20


def test_a_condition_with_nul_is_refused():
    with pytest.raises(CommandError, match="NUL"):
        exported("--subject", "a\0")
