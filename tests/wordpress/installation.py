"""A real WordPress (Debian's) with the plugin: MariaDB on a socket, php -S, own passwords.

Everything ends with ``stop``: no service of the machine is touched.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.e2e.up import free_port
from tests.gateway.tools import program
from tests.gateway.wire import within

HERE: Final = Path(__file__).parent
PLUGIN: Final = HERE.parents[1] / "integrations" / "wordpress" / "momentry-provisioning"
SYSTEM: Final = Path("/usr/share/wordpress")
PASSWORD: Final = "the staff of WordPress"
USER_PASSWORD: Final = "a long password 4711"
THEME: Final = "<?php wp_head(); while ( have_posts() ) { the_post(); the_content(); } wp_footer();"
ACTIVATE: Final = (
    "( require_once ABSPATH . 'wp-admin/includes/plugin.php' )"
    " && activate_plugin( 'momentry-provisioning/momentry-provisioning.php' )"
)
QUIET: Final[dict[str, Any]] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class WordPress:
    """``servers``: so many requests are worked on at once. ``kind``: its environment type."""

    def __init__(self, root: Path, servers: int = 1, kind: str = "local") -> None:
        self.root, self.site = root, root / "site"
        self.ports = [free_port() for _ in range(servers)]
        self.url = f"http://127.0.0.1:{self.ports[0]}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = {
            "PATH": os.environ["PATH"],
            "WORDPRESS_SOCKET": str(root / "db.sock"),
            "WORDPRESS_KIND": kind,
        }
        self.application_password = ""
        self.client = httpx2.Client(base_url=self.url, timeout=30)

    def start(self) -> "WordPress":
        try:
            self.start_database()
            self.copy_files()
            self.application_password = self.php("install.php", self.url, PASSWORD)
            self.start_servers()
        except BaseException:
            self.stop()
            raise
        return self

    def start_database(self) -> None:
        data, socket = self.root / "db", self.root / "db.sock"
        subprocess.run(
            [program("mariadb-install-db", "mariadb-server"), "--no-defaults", "--user=root",
             f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, **QUIET,
        )  # fmt: skip
        self.run(
            program("mariadbd", "mariadb-server"), "--no-defaults", "--user=root",
            f"--datadir={data}", f"--socket={socket}", "--skip-networking",
            "--innodb-flush-log-at-trx-commit=0", f"--pid-file={self.root / 'db.pid'}",
        )  # fmt: skip
        assert within(30, lambda: self.sql("SELECT 1", "mysql", check=False) == "1")
        self.sql("CREATE DATABASE wordpress CHARACTER SET utf8mb4", "mysql")

    def copy_files(self) -> None:
        leave = shutil.ignore_patterns("wp-config.php", "wp-content")
        shutil.copytree(SYSTEM, self.site, ignore=leave)
        for name in ("wp-config.php", "install.php", "router.php", "network.php"):
            shutil.copy(HERE / name, self.site)
        theme = self.site / "wp-content" / "themes" / "plain"
        theme.mkdir(parents=True)
        (theme / "index.php").write_text(THEME)
        (theme / "style.css").write_text("/* Theme Name: plain */")
        shutil.copytree(PLUGIN, self.site / "wp-content" / "plugins" / PLUGIN.name)

    def start_servers(self) -> None:
        for port in self.ports:
            self.run(
                program("php", "php-cli"), "-d", "upload_max_filesize=1M",
                "-S", f"127.0.0.1:{port}", "-t", str(self.site), str(self.site / "router.php"),
            )  # fmt: skip
        assert within(15, lambda: all(answers(port) for port in self.ports))

    def run(self, *command: str) -> None:
        process = subprocess.Popen(command, env=self.environment, cwd=self.root, **QUIET)
        self.processes.append(process)

    def stop(self) -> None:
        """The web servers first: they hold connections of the database."""
        self.client.close()
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)

    def php(self, script: str, *arguments: str, code: str = "") -> str:
        """What a script of the site prints; it fails with whatever PHP complains about."""
        done = subprocess.run(
            [program("php", "php-cli"), "-d", "display_errors=stderr", script, *arguments],
            input=code, capture_output=True, text=True, env=self.environment, cwd=self.site,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def eval(self, code: str) -> Any:
        """The value of a PHP expression inside this WordPress."""
        script = self.site / "eval.php"
        if not script.exists():
            script.write_text(
                "<?php require __DIR__ . '/wp-load.php';"
                "echo json_encode( eval( stream_get_contents( STDIN ) ) );"
            )
        return json.loads(self.php("eval.php", code=f"return {code};"))

    def sql_command(self, statement: str, database: str) -> list[str]:
        return [
            program("mariadb", "mariadb-client"), "--no-defaults", "-uroot", "-N", "-B",
            f"--socket={self.root / 'db.sock'}", database, "-e", statement,
        ]  # fmt: skip

    @contextmanager
    def session(self, statements: str) -> Iterator[None]:
        """A connection of its own that is at these statements, and ends with the block."""
        process = subprocess.Popen(self.sql_command(statements, "wordpress"), **QUIET)
        try:
            yield
        finally:
            process.kill()
            process.wait(15)
            busy = "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"
            for number in self.sql(busy).split():
                self.sql(f"KILL {number}", check=False)

    def sql(self, statement: str, database: str = "wordpress", *, check: bool = True) -> str:
        done = subprocess.run(
            self.sql_command(statement, database), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout.strip()

    def connect(self, momentry: str, secret: str, previous: str = "") -> None:
        """Activate the plugin and set it up, without the pages."""
        settings = {"url": momentry, "secret": secret, "secret_previous": previous}
        set_up = [
            f"update_option( 'momentry_{name}', {json.dumps(value)}, false )"
            for name, value in settings.items()
        ]
        self.eval(f"array( {', '.join(set_up)}, {ACTIVATE} )")

    def rest(self, method: str, path: str, *, port: int = 0, **body: Any) -> httpx2.Response:
        """As staff, by application password."""
        return self.client.request(
            method,
            f"http://127.0.0.1:{port or self.ports[0]}/wp-json/wp/v2/{path}",
            json=body or None,
            auth=("root", self.application_password),
        )

    def register(self, username: str, *, port: int = 0, **more: Any) -> int:
        given = {"email": f"{username}@example.org", "password": USER_PASSWORD} | more
        answer = self.rest("POST", "users", port=port, username=username, **given)
        assert answer.status_code == 201, answer.text
        made: int = answer.json()["id"]
        return made

    def log_in(self, name: str = "root", password: str = PASSWORD) -> httpx2.Client:
        """A browser that is logged in."""
        client = httpx2.Client(base_url=self.url, timeout=30)
        client.get("/wp-login.php")
        answer = client.post("/wp-login.php", data={"log": name, "pwd": password})
        assert answer.status_code == 302, answer.text[:2000]
        return client

    def waiting(self) -> int:
        return int(self.sql("SELECT COUNT(*) FROM wp_momentry_outbox WHERE done = 0"))

    def minute(self) -> None:
        """What WP-Cron does each minute."""
        self.eval("do_action( 'momentry_minute' )")

    def make_due(self) -> None:
        self.sql("UPDATE wp_momentry_outbox SET next_at = 0 WHERE done = 0")


def answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/wp-json/", timeout=10).status_code == 200
    except httpx2.HTTPError:
        return False
