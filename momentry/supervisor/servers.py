"""The PostgreSQL and Valkey of a start: those of the environment, else private ones."""

import os
import subprocess
import sys
from collections.abc import Mapping

from momentry.common.env import Environment
from momentry.supervisor.datadir import DataDirectory
from momentry.supervisor.engines import wait_until_ready
from momentry.supervisor.errors import CannotStartError
from momentry.supervisor.network import demand_listening
from momentry.supervisor.postgres import Options, Postgres
from momentry.supervisor.sockets import socket_directory
from momentry.supervisor.supervise import Service, Supervisor
from momentry.supervisor.valkey import Valkey

# A restart runs old processes beside the new ones.
CONNECTIONS = 50  # for Django, relay, worker and people; each gateway process adds its own
PER_GATEWAY = 24

# psycopg in a process of its own, which may cost memory: this one lives as long as the service.
LOGIN = """
import os, psycopg
try:
    psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5).close()
except psycopg.Error as error:
    raise SystemExit(str(error).strip().splitlines()[-1])
"""


def demand_login(url: str) -> None:
    """Raises CannotStartError with what the server said, never with the URL."""
    answer = subprocess.run(
        [sys.executable, "-c", LOGIN],
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        said = answer.stderr.strip().splitlines()[-1:] or ["it gave no reason"]
        raise CannotStartError(
            f"DATABASE_URL: the server did not let us in ({said[0]}); mend the user, password or "
            "database in it, or unset it to let momentry start its own."
        )


class Servers:
    """``addresses`` are the variables for the children; private ones are the supervisor's."""

    def __init__(self, given: Mapping[str, str], data: DataDirectory) -> None:
        environment = Environment(given)
        self.data = data
        self.database_url = environment.text("DATABASE_URL", "")
        self.redis_url = environment.text("REDIS_URL", "")

    @property
    def private_database(self) -> bool:
        return not self.database_url

    def start(self, supervisor: Supervisor, password: str, workers: int) -> dict[str, str]:
        """Start what is missing and wait for it. Raises CannotStartError, StoppedError."""
        addresses: dict[str, str] = {}
        engines: list[Valkey | Postgres] = []
        if self.redis_url:
            demand_listening("REDIS_URL", self.redis_url, 6379)
        else:
            engines.append(self.valkey())
            addresses["REDIS_URL"] = engines[-1].url
        if self.database_url:
            demand_listening("DATABASE_URL", self.database_url, 5432)
            demand_login(self.database_url)
        else:
            engines.append(self.postgres(password, CONNECTIONS + PER_GATEWAY * workers))
            addresses["DATABASE_URL"] = engines[-1].url
        for engine in engines:
            if isinstance(engine, Valkey):
                supervisor.services.append(Service(engine.child))
            else:
                supervisor.foundations.append(engine.child)
            engine.start()
        wait_until_ready(engines, supervisor.signals.stopping)
        return addresses

    def valkey(self) -> Valkey:
        sockets = socket_directory(self.data.run)
        return Valkey(self.data.valkey, sockets, self.data.logs / "valkey.log")

    def postgres(self, password: str, connections: int) -> Postgres:
        sockets = socket_directory(self.data.run)
        if not (self.data.postgres / "PG_VERSION").exists():
            self.data.demand_room()
        options = Options(password, connections)
        return Postgres(self.data.postgres, sockets, self.data.logs / "postgres.log", options)
