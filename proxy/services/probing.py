"""Testing an upstream: one GET to each active target, told step by step, and an event of it."""

import json
import time
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final

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
from proxy.gateway.upstreams import ROWS_SQL, Row
from proxy.models import UsageFormat
from proxy.probe import Found, Outcome, Question, ask_all

ONE_SQL: Final = f"SELECT * FROM ({ROWS_SQL}) AS rows WHERE slug = %s"  # noqa: S608  our own
USUAL: Final = {UsageFormat.OPENAI.value: "/models"}
MAX_PATH: Final = 500


@dataclass(frozen=True, slots=True)
class Tested:
    """``path``: what was asked for below each base URL."""

    slug: str
    path: str
    targets: tuple[Found, ...]

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
    if not connection.in_atomic_block:
        connection.close()
    tested = Tested(slug, path, tuple(ask(rows, path)))
    with transaction.atomic():
        outcomes = [(each.base_url, each.outcome.value) for each in tested.targets]
        subject = f"upstream:{slug}"
        record(Kind.UPSTREAM_TESTED, actor=actor, subject=subject, path=path, outcomes=outcomes)
    return tested


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
        for target in known.targets:
            each_way = (target,) if target.turns is None else target.turns.targets
            questions += [Question(each, path.encode(), known.connect) for each in each_way]
        if faults:
            why = "The gateway leaves it out: its credential does not open, or cannot be sent."
            broken.append(Found(own[0].base_url, Outcome.AUTH, None, 0, why))
    return [*ask_all(questions, Egress(settings.EGRESS_ALLOW, time.monotonic)), *broken]
