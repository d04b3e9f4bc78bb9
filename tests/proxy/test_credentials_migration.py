"""An older database upgrades with its upstreams working (OPS-06): what a target held is sealed
anew, and processes of the release before still find it where it was."""

from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from momentry.common.crypto.keyring import get_ring
from momentry.common.ids import uuid7
from proxy.gateway.table import Table
from proxy.gateway.upstreams import ROWS_SQL
from tests.gateway.conftest import Database, own_database

SECRET = "sk-proj-of-the-release-before"
OLD = {"table": "proxy_target", "column": "credential"}


@pytest.fixture
def older(migrated: Database) -> Iterator[Database]:
    """At the release before, and forwards again at the end of the test."""
    with own_database(migrated, "older") as made:
        with made.rows():
            call_command("migrate", "proxy", "0005", verbosity=0)
        yield made


UPSTREAM = """
INSERT INTO proxy_upstream (id, slug, name, is_active, injection, injection_name,
  injection_template, connect_timeout_ms, first_byte_timeout_ms, idle_timeout_ms, tls_verify,
  created_at, updated_at, request_weight, usage_format)
VALUES (%s, %s, '', true, 'header', 'Authorization', 'Bearer {credential}', 1, 1, 1, true, now(),
  now(), 1, 'none')"""
TARGET = """
INSERT INTO proxy_target (id, upstream_id, base_url, weight, credential, is_active, created_at,
  updated_at)
VALUES (%s, %s, 'http://a.test', 1, %s, true, now(), now())"""


def seed(credentials: dict[str, str | None]) -> None:
    """Upstreams of these slugs, each with a target that holds this envelope; "" for a good one."""
    with connection.cursor() as cursor:
        for slug, envelope in credentials.items():
            upstream, target = uuid7(), uuid7()
            good = str.__str__(get_ring().seal(SECRET, **OLD, row_id=target))
            cursor.execute(UPSTREAM, [upstream, slug])
            cursor.execute(TARGET, [target, upstream, good if envelope == "" else envelope])


def table_of(database: Database) -> tuple[Table, list[str]]:
    table = Table()
    with psycopg.connect(database.conninfo) as direct:
        rows = direct.execute(ROWS_SQL).fetchall()
    return table, table.replace(rows, get_ring(), "1")


def test_what_targets_hold_is_sent_after_the_upgrade_and_stays_for_the_release_before(
    older: Database,
) -> None:
    with older.rows():
        seed({"llm": "", "open": None})
        call_command("migrate", "proxy", verbosity=0)

    table, faults = table_of(older)
    held = "SELECT credential, id FROM proxy_target WHERE credential IS NOT NULL"
    ((left, row),) = older.fetch(held)
    line = f"Authorization: Bearer {SECRET}\r\n".encode()
    assert faults == []
    assert table.by_slug[b"llm"].targets[0].destination.injection.line == line
    assert table.by_slug[b"open"].targets[0].destination.injection.line == b""
    assert get_ring().open(str(left), **OLD, row_id=str(row)) == SECRET


def test_one_that_does_not_open_stops_no_upgrade_and_counts_as_one(older: Database) -> None:
    with older.rows():
        seed({"llm": "", "lost": "m1.00000000.AAAA"})
        call_command("migrate", "proxy", verbosity=0)

    table, faults = table_of(older)

    assert len(table.by_slug[b"llm"].targets) == 1
    assert table.by_slug[b"lost"].targets == ()
    assert [fault for fault in faults if "upstream lost" in fault] == faults != []


def test_the_release_before_writes_on_the_new_schema(older: Database) -> None:
    """It names no column that came later."""
    with older.rows():
        call_command("migrate", "proxy", verbosity=0)
        seed({"new": None})
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO apikeys_grant (tier_id, upstream, methods, paths, created_at)"
                " VALUES ('starter', 'new', '{}', '{}', now()) RETURNING models"
            )
            assert cursor.fetchone() == ([],)

    table, faults = table_of(older)
    assert (len(table.by_slug[b"new"].targets), faults) == (1, [])


def test_a_change_of_one_is_followed_and_the_migration_goes_back(older: Database) -> None:
    triggers = "SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgname = %s"
    with older.rows():
        call_command("migrate", "proxy", verbosity=0)
    ((count,),) = older.fetch(triggers, "proxy_targetcredential", "momentry_fence")
    with older.rows():
        call_command("migrate", "proxy", "0005", verbosity=0)

    assert count == 1
    assert older.fetch("SELECT to_regclass('proxy_targetcredential')::text") == [(None,)]
