"""The steps of `up` from nothing to ready; what they started is the supervisor's to stop."""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from momentry.common.env import Environment
from momentry.supervisor.announce import Announcement
from momentry.supervisor.child import Child
from momentry.supervisor.datadir import DataDirectory
from momentry.supervisor.errors import CannotStartError
from momentry.supervisor.logfiles import trim
from momentry.supervisor.network import free_port, listens, ready, refuses
from momentry.supervisor.notices import Notices
from momentry.supervisor.plan import Plan, children_environment
from momentry.supervisor.prepared import Stamp, run_prepare
from momentry.supervisor.secretfiles import SecretFiles
from momentry.supervisor.servers import Servers
from momentry.supervisor.sockets import socket_directory
from momentry.supervisor.supervise import Supervisor

READY_SECONDS: Final = 60.0
TRUST_SECONDS: Final = 10.0  # how long the stamp's word is believed while nothing gets ready
LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 only looked up


class Start:
    def __init__(self, port: int, workers: int, data: DataDirectory, boss: Supervisor) -> None:
        self.given: Mapping[str, str] = os.environ
        self.port = port
        self.workers = workers
        self.data = data
        self.boss = boss
        self.servers = Servers(self.given, data)
        established = self.servers.private_database and (data.postgres / "PG_VERSION").exists()
        self.files = SecretFiles(data.secrets, established=established)
        self.nonce = secrets.token_hex(16)
        self.sockets = socket_directory(data.run)
        self.gateway_notices = Notices(self.sockets / "gateway.notify")
        self.django_notices = Notices(self.sockets / "django.notify")
        self.plan = Plan({}, data.logs)
        self.seeds: Mapping[str, str] = {}
        self.password = self.given.get("MOMENTRY_ADMIN_PASSWORD", "")

    def run(self, began: float) -> Announcement:
        """Raises CannotStartError, StoppedError, ConfigurationError."""
        for log in self.data.logs.glob("*.log"):
            trim(log)
        if not self.password:
            self.password = self.files.keep("admin-password", lambda: secrets.token_urlsafe(12))
        added = self.files.environment(self.given)
        database = self.files.keep(
            "postgres-password",
            lambda: secrets.token_hex(24),
            irreplaceable=self.servers.private_database,
        )
        added |= self.servers.start(self.boss, database, self.workers)
        echo_port = self.echo_port()
        self.plan = Plan(self.environment(added), self.data.logs)
        self.boss.add(self.plan.echo(echo_port))
        self.bring_up({"MOMENTRY_ECHO_URL": f"http://127.0.0.1:{echo_port}"})
        return self.announcement(time.monotonic() - began)

    def environment(self, added: Mapping[str, str]) -> dict[str, str]:
        addresses = {
            "BIND": self.given.get("BIND") or "127.0.0.1",
            "PORT": str(self.port),
            "PUBLIC_URL": self.given.get("PUBLIC_URL") or self.url,
            "GATEWAY_WORKERS": str(self.workers),
            "DJANGO_SOCKET": str(self.sockets / "django.sock"),
            "MOMENTRY_NONCE": self.nonce,
        }
        if not Environment(self.given).has("OPEN_CALLS_DIR"):
            addresses["OPEN_CALLS_DIR"] = str(self.data.path / "open-calls")
        return children_environment(self.given, {**addresses, **added})

    def bring_up(self, seeds: Mapping[str, str]) -> None:
        """Prepare the database unless the stamp knows it prepared; then everything at once."""
        self.seeds = {**seeds, "MOMENTRY_ADMIN_PASSWORD": self.password}
        state = self.state()
        known = self.is_prepared(state)
        if not known:
            self.prepare()
        for child in (self.gateway(), self.django(), *self.plan.background()):
            self.boss.add(child)
        if known and not self.boss.wait_for(self.ready, TRUST_SECONDS):
            self.prepare()
        if not self.boss.wait_for(self.ready, READY_SECONDS):
            raise CannotStartError(
                f"Nothing was ready within {READY_SECONDS:.0f} s; see the logs in {self.data.logs}."
            )
        self.remember(state)

    def gateway(self) -> Child:
        return self.plan.speaking(self.gateway_notices).gateway(self.workers)

    def django(self) -> Child:
        return self.plan.speaking(self.django_notices).django()

    @property
    def stamps(self) -> bool:
        """Only a private database's identity can be told without asking it."""
        return self.servers.private_database and (self.data.secrets / "secret-key").exists()

    @property
    def stamp(self) -> Stamp:
        key = (self.data.secrets / "secret-key").read_bytes() if self.stamps else b""
        return Stamp(self.data.path / "prepared", key)

    def state(self) -> str:
        return self.stamp.state(self.data.postgres, {**self.plan.environment, **self.seeds})

    def is_prepared(self, state: str) -> bool:
        return self.stamps and self.stamp.matches(state)

    def remember(self, state: str) -> None:
        if self.stamps and self.password:  # else the next start has to ask again
            self.stamp.write(state)

    def prepare(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        prepared = run_prepare(self.plan.prepare(self.seeds), self.boss.signals, meanwhile)
        if prepared.key:
            self.files.write(self.key_file, prepared.key)
        if not prepared.password_holds:
            self.password = ""

    def ready(self) -> bool:
        return ready(self.host, self.port, self.nonce) and listens(self.sockets / "django.sock")

    def echo_port(self) -> int:
        """The same at every start when possible: it is part of the echo upstream's address."""
        kept = self.data.path / "echo-port"
        try:
            wanted = int(kept.read_text(encoding="ascii"))
        except (OSError, ValueError):
            wanted = 0  # any: two installations that start at once must not choose the same
        port = free_port(wanted)
        kept.write_text(f"{port}\n", encoding="ascii")
        return port

    @property
    def key_file(self) -> str:
        """One per database, so that another database's key is never shown."""
        if self.servers.private_database:
            return "demo-key"
        parts = urlsplit(self.servers.database_url)
        where = f"{parts.hostname}:{parts.port}{parts.path}?{parts.query}"
        return f"demo-key-{hashlib.sha256(where.encode()).hexdigest()[:12]}"

    @property
    def host(self) -> str:
        bind = self.given.get("BIND") or "127.0.0.1"
        return LOOPBACK.get(bind, bind)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def announcement(self, seconds: float) -> Announcement:
        token = self.data.secrets / "admin-token"
        key = self.files.read(self.key_file)
        ended = bool(key) and refuses(self.host, self.port, key)
        own_token = self.given.get("ADMIN_TOKEN") or self.given.get("ADMIN_TOKEN_FILE")
        return Announcement(
            seconds=seconds,
            url=self.url,
            admin="admin",
            password=self.password,
            key="" if ended else key,
            key_ended=ended,
            token="the one you gave" if own_token else str(token),
            logs=self.data.logs,
            pid=os.getpid(),
        )

    def clean(self) -> None:
        shutil.rmtree(self.sockets, ignore_errors=True)
