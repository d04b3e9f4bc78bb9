"""The gateway's statements fit proxy.models; credentials open; faulty targets are left out."""

import psycopg
import pytest

from momentry.common.crypto.keyring import get_ring
from proxy.gateway.table import Table
from proxy.gateway.upstreams import PRICES_SQL, ROWS_SQL, VERSION_SQL, Row
from proxy.usage.prices import Price
from tests import make
from tests.gateway.conftest import Database

BASES = [
    ("https://api.test/v1/", "api.test", 443, "verify", b"api.test", b"/v1"),
    ("http://api.test:8080", "api.test", 8080, "", b"api.test:8080", b""),
    ("http://[2001:db8::1]/x", "2001:db8::1", 80, "", b"[2001:db8::1]", b"/x"),
]


def read(database: Database) -> tuple[Table, list[str]]:
    table = Table()
    with psycopg.connect(database.conninfo) as direct:
        rows = direct.execute(ROWS_SQL).fetchall()
    return table, table.replace(rows, get_ring(), "1")


def test_the_statement_names_every_column_of_a_row(database: Database) -> None:
    with psycopg.connect(database.conninfo) as direct:
        cursor = direct.execute(ROWS_SQL)

    assert cursor.description is not None
    assert len(cursor.description) == len(Row._fields)


def test_so_does_the_one_of_prices(database: Database) -> None:
    with psycopg.connect(database.conninfo) as direct:
        cursor = direct.execute(PRICES_SQL)

    assert cursor.description is not None
    assert len(cursor.description) == len(Price._fields)


def test_the_version_changes_with_every_change(database: Database) -> None:
    def version() -> object:
        with psycopg.connect(database.conninfo) as direct:
            return direct.execute(VERSION_SQL).fetchone()

    seen = [version(), version()]
    with database.rows():
        made = make.upstream("versioned")
        seen.append(version())
        made.targets.update(weight=2)
        seen.append(version())
        made.prices.create(model="x", input_micro=1, output_micro=1)
        seen.append(version())
        credential = make.keep_credential(made.targets.get(), "x")
        seen.append(version())
        type(credential).objects.filter(pk=credential.pk).update(is_active=False)
        seen.append(version())
        made.models.create(name="x", targets=[])
        seen.append(version())
        made.delete()
    seen.append(version())

    assert seen[0] == seen[1] == seen[8]
    assert len(set(seen)) == 7


@pytest.mark.parametrize(("base", "host", "port", "tls", "authority", "prefix"), BASES)
def test_a_base_url_becomes_an_endpoint_and_a_destination(
    database: Database, base: str, host: str, port: int, tls: str, authority: bytes, prefix: bytes
) -> None:
    with database.rows():
        made = make.upstream("basic", base, credential="u:p:q", injection="basic")
        table, faults = read(database)
        made.delete()

    target = table.by_slug[b"basic"].targets[0]
    assert target.endpoint == ("", host, port, tls)
    assert (target.destination.host, target.destination.prefix) == (authority, prefix)
    assert target.destination.injection.line == b"Authorization: Basic dTpwOnE=\r\n"
    assert not [fault for fault in faults if "basic" in fault]


def test_a_credential_that_does_not_open_leaves_its_target_out(database: Database) -> None:
    with database.rows():
        made = make.upstream("altered", credential="x", injection="header")
        database.change(
            "UPDATE proxy_targetcredential SET secret = 'm1.a.b' WHERE target_id = %s",
            made.targets.get().id,
        )
        table, faults = read(database)
        made.delete()

    assert table.by_slug[b"altered"].targets == ()
    assert any("upstream altered" in fault for fault in faults)
