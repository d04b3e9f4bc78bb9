"""Testing an upstream: one GET to each active target with each of its active credentials, told step
by step, and an event of it."""

import json
import time
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from events.kinds import Kind
from events.services import record
from momentry.common.crypto.keyring import get_ring
from momentry.common.errors import MomentryError
from proxy.gateway.egress import Egress
from proxy.gateway.head import BadMessage
from proxy.gateway.paths import refuse_ambiguous
from proxy.gateway.table import Table
from proxy.gateway.upstreams import ROWS_SQL, Row, Target
from proxy.masking import mask_of
from proxy.models import TargetCredential, UsageFormat
from proxy.probe import Found, Outcome, Question, ask_all

ONE_SQL: Final = f"SELECT * FROM ({ROWS_SQL}) AS rows WHERE slug = %s"  # noqa: S608  our own
USUAL: Final = {UsageFormat.OPENAI.value: "/models"}
MAX_PATH: Final = 500
LEFT_OUT: Final = "The gateway leaves it out: its credential does not open, or cannot be sent."
ALL_OFF: Final = "All of its credentials are switched off, so it gets no requests."


class Shown(NamedTuple):
    """What may be told of a credential: which one it is, never what."""

    id: UUID
    label: str
    api_key_masked: str

    def __str__(self) -> str:
        return f"{self.label} {self.api_key_masked}".strip()


@dataclass(frozen=True, slots=True)
class TargetTested:
    """``credential``: the one that was sent, or cannot be; None for none."""

    base_url: str
    outcome: Outcome
    status: int | None
    ms: int
    detail: str
    credential: Shown | None


@dataclass(frozen=True, slots=True)
class Tested:
    """``path``: what was asked for below each base URL."""

    slug: str
    path: str
    targets: tuple[TargetTested, ...]

    @property
    def ok(self) -> bool:
        return bool(self.targets) and all(each.outcome is Outcome.OK for each in self.targets)


def try_upstream(slug: str, *, actor: str, path: str = "") -> Tested:
    """Takes ten seconds at most, in which no connection to the database is kept. A switched-off
    upstream is tested too. MomentryError not_found; ValidationError for the path."""
    check_path(path)
    rows = rows_of(slug)
    if not rows:
        raise MomentryError("not_found")
    path = path or USUAL.get(rows[0].usage_format, "")
    shown = shown_of(slug)
    if not connection.in_atomic_block:
        connection.close()
    tested = Tested(slug, path, tuple(told(each, shown) for each in ask(rows, path)))
    note(tested, actor)
    return tested


def told(found: Found, shown: dict[UUID, Shown]) -> TargetTested:
    sent = None if found.credential_id is None else shown.get(found.credential_id)
    said = (found.base_url, found.outcome, found.status, found.ms, found.detail)
    return TargetTested(*said, sent)


@transaction.atomic
def note(tested: Tested, actor: str) -> None:
    outcomes = [(each.base_url, each.outcome.value) for each in tested.targets]
    sent = [str(each.credential.id) if each.credential else None for each in tested.targets]
    facts = {"path": tested.path, "outcomes": outcomes, "credentials": sent}
    record(Kind.UPSTREAM_TESTED, actor=actor, subject=f"upstream:{tested.slug}", **facts)


def shown_of(slug: str) -> dict[UUID, Shown]:
    rows = TargetCredential.objects.filter(target__upstream__slug=slug)
    return {row.pk: Shown(row.pk, row.label, mask_of(row)) for row in rows}


def check_path(path: str) -> None:
    """As a client's would be after ``/proxy/<slug>``, without a query."""
    if not path:
        return
    plain = path.isascii() and path.isprintable() and not set(path) & set(" ?#")
    if not path.startswith("/") or not plain or len(path) > MAX_PATH:
        raise ValidationError({"path": "A path begins with / and has no blank, query or fragment."})
    try:
        refuse_ambiguous(path.encode())
    except BadMessage as error:
        raise ValidationError({"path": error.detail or ""}) from None


def rows_of(slug: str) -> list[Row]:
    """As the gateway reads them, of one upstream, as if it were switched on."""
    with connection.cursor() as cursor:
        cursor.execute(ONE_SQL, [slug])
        rows = [Row._make(row) for row in cursor.fetchall()]
    # On Django's connections jsonb comes as text.
    return [row._replace(is_active=True, header_rules=json.loads(row.header_rules)) for row in rows]


def ask(rows: list[Row], path: str) -> list[Found]:
    """With each active credential of a target; one that cannot be used is not sent."""
    questions: list[Question] = []
    broken: list[Found] = []
    for _, of_target in groupby(rows, attrgetter("target_id")):
        own, table = list(of_target), Table()
        faults = table.replace([*own], get_ring(), "")
        (known,) = table.by_slug.values()
        ways: list[Target] = []
        for target in known.targets:
            ways += (target,) if target.turns is None else target.turns.targets
        questions += [Question(each, path.encode(), known.connect) for each in ways]
        broken += left_out(own, {each.credential_id for each in ways}, has_faults=bool(faults))
    return [*ask_all(questions, Egress(settings.EGRESS_ALLOW, time.monotonic)), *broken]


def left_out(rows: list[Row], sent: set[UUID | None], *, has_faults: bool) -> list[Found]:
    """The active credentials of one target that the gateway does not send, and a target that gets
    no requests."""
    base_url, active = rows[0].base_url, [row for row in rows if row.credential_active]
    if has_faults:
        lost = [row.credential_id for row in active if row.credential_id not in sent] or [None]
        return [Found(base_url, Outcome.AUTH, None, 0, LEFT_OUT, which) for which in lost]
    if rows[0].credential_id and not sent:
        return [Found(base_url, Outcome.AUTH, None, 0, ALL_OFF)]
    return []
