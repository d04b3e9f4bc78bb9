"""A gateway and Django on a database of their own, for guides whose every line is run."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.gateway.conftest import Database, own_database, starting
from tests.gateway.households import command
from tests.gateway.processes import Gateway
from tests.gateway.wire import within


class Installation(NamedTuple):
    """``environment``: of its commands."""

    database: Database
    gateway: Gateway
    environment: dict[str, str]

    @property
    def values(self) -> dict[str, str]:
        """What every guide says that its lines expect."""
        url = f"http://127.0.0.1:{self.gateway.port}"
        return {"URL": url, "ADMIN_TOKEN": os.environ["ADMIN_TOKEN"]}


@contextmanager
def installation(migrated: Database, logs: Path) -> Iterator[Installation]:
    """In a place with a short name: a unix socket's path ends at 107 bytes."""
    with (
        tempfile.TemporaryDirectory(prefix="guide-") as path,
        own_database(migrated, f"guide{uuid.uuid4().hex[:6]}") as database,
    ):
        given = {"DATABASE_URL": database.url, "DJANGO_SOCKET": f"{path}/django.sock"}
        django = command("serve", logs / "django.log", given)
        try:
            with starting(database, Path(path)) as start:
                gateway = start(1, **given).wait_until_listening()
                assert within(90, lambda: gateway.get("/readyz").status == 200)
                yield Installation(database, gateway, given)
        finally:
            django.kill()
            django.wait()
