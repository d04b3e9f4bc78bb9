"""A momentry as a person starts it, beside the WordPress of the tests: stopped, killed, started."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

from tests.e2e import up
from tests.gateway.wire import within
from tests.wordpress.installation import WordPress


class Momentry:
    """Always the same data and port, so that WordPress finds it again."""

    def __init__(self, data: Path, wordpress: WordPress, secret: str) -> None:
        self.data, self.port = data, up.free_port()
        self.settings = {
            "WORDPRESS_URL": wordpress.url,
            "WORDPRESS_WEBHOOK_SECRET": secret,
            "WORDPRESS_USERNAME": "root",
            "WORDPRESS_APP_PASSWORD": wordpress.application_password,
            "WORDPRESS_EXCLUDED_ROLES": "administrator",
        }
        self.running: up.Up | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Momentry":
        self.running = up.start(self.data, port=self.port, **self.settings)
        return self

    def stop(self) -> None:
        if self.running is not None:
            self.running.stop()
            self.running = None

    def kill(self) -> None:
        """SIGKILL to every process of it, PostgreSQL and Valkey too."""
        assert self.running is not None
        everybody = [self.running.process.pid, *self.running.descendants()]
        for pid in everybody:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.running.process.wait(20)
        assert within(20, lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in everybody))
        self.running = None

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        assert self.running is not None
        with psycopg.connect(self.running.database_url()) as connection:
            return connection.execute(statement, values).fetchall()

    def member(self, wordpress_id: int) -> tuple[Any, ...]:
        """Username, address, status; nothing where there is none."""
        statement = "SELECT username, email, status FROM accounts_user WHERE wordpress_id = %s"
        found = self.rows(statement, wordpress_id)
        return found[0] if found else ()

    def keys(self, wordpress_id: int) -> list[tuple[Any, ...]]:
        """Of each of their keys: has it a secret, was it revoked?"""
        return self.rows(
            "SELECT k.digest IS NOT NULL, k.revoked_at IS NOT NULL FROM apikeys_apikey k"
            " JOIN accounts_user u ON u.id = k.owner_id WHERE u.wordpress_id = %s",
            wordpress_id,
        )

    def environment(self) -> dict[str, str]:
        """Of its relay: what a person gives to a command beside it."""
        assert self.running is not None
        for pid in self.running.descendants():
            if b"\0relay" in Path(f"/proc/{pid}/cmdline").read_bytes():
                given = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                return dict(line.decode().split("=", 1) for line in given if b"=" in line)
        raise AssertionError("no relay runs")

    def set_scheme(self, scheme: str, secret: str) -> None:
        """As staff do on the page of the site."""
        code = (
            "from accounts.models import Site; s = Site.objects.get();"
            f" s.scheme, s.webhook_secret = {scheme!r}, {secret!r}; s.save()"
        )
        command = [sys.executable, "manage.py", "shell", "-c", code]
        subprocess.run(command, cwd=up.ROOT, env=self.environment(), check=True)

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.data.rglob("log/*.log"))
