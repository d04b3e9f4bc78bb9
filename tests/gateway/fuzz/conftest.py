"""A gateway between clients that lie and two ends that forgive nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import make
from tests.gateway.conftest import Database
from tests.gateway.fuzz.liars import Liar, Patient
from tests.gateway.fuzz.mutants import templates
from tests.gateway.fuzz.strict import Strict, listen
from tests.gateway.processes import Gateway, environment

CREDENTIAL = "strict-secret"


@pytest.fixture(scope="session")
def upstream_end() -> Iterator[Strict]:
    made = Strict(listen(), f"Bearer {CREDENTIAL}".encode())
    yield made
    made.stop()


@pytest.fixture(scope="session")
def django_end(directory: Path) -> Iterator[Strict]:
    made = Strict(listen(str(directory / "strict.sock")), None)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def ends(upstream_end: Strict, django_end: Strict) -> list[Strict]:
    return [upstream_end, django_end]


@pytest.fixture(scope="session")
def liar() -> Iterator[Liar]:
    made = Liar(listen())
    yield made
    made.stop()


@pytest.fixture(scope="session")
def patient() -> Iterator[Patient]:
    made = Patient(listen())
    yield made
    made.stop()


@pytest.fixture(scope="session")
def strict_key(
    database: Database, seeded: str, upstream_end: Strict, liar: Liar, patient: Patient
) -> str:
    base = f"http://127.0.0.1:{upstream_end.port}"
    with database.rows():
        make.upstream("strict", base, credential=CREDENTIAL, injection="header")
        make.upstream("liar", f"http://127.0.0.1:{liar.port}")
        quick = {"first_byte_timeout_ms": 300, "idle_timeout_ms": 300}
        make.upstream("patient", f"http://127.0.0.1:{patient.port}", **quick)
    return database.key_for("mutant", "strict liar patient")


@pytest.fixture(scope="session")
def samples(database: Database, strict_key: str) -> list[bytes]:
    with database.rows():
        return templates(strict_key, make.service_key("validator").secret)


@pytest.fixture(scope="package")
def strict(
    database: Database, directory: Path, ends: list[Strict], samples: list[bytes]
) -> Iterator[Gateway]:
    values = {"DATABASE_URL": database.url, "DJANGO_SOCKET": str(directory / "strict.sock")}
    made = Gateway(environment(**values), workers=1)
    try:
        yield made.wait_until_ready()
        assert made.get("/healthz").status == 200
        made.close_wires()
        assert made.stop() == 0
        assert made.errors() == []
    finally:
        made.close_wires()
        made.kill()
