"""nginx and Caddy as processes, with the configurations of integrations/."""

import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.gateway.tools import program
from tests.gateway.wire import Answer, Wire, within

INTEGRATIONS = Path(__file__).resolve().parents[2] / "integrations"
NGINX = """
user {user};
daemon off;
worker_processes 1;
pid {directory}/pid;
error_log stderr crit;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/momentry.conf;
}}
"""
CADDY = "{\n\tadmin off\n\tpersist_config off\n\tdefault_bind 127.0.0.1\n}\n"


class Front:
    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.wires: list[Wire] = []

    def connect(self) -> Wire:
        wire = Wire(socket.create_connection(("127.0.0.1", self.port), timeout=5))
        self.wires.append(wire)
        return wire

    def ask(self, request: bytes) -> Answer:
        wire = self.connect()
        try:
            return wire.send(request).answer()
        finally:
            wire.close()

    def listens(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True


@contextmanager
def started(name: str, directory: Path, gateway: int, backend: int) -> Iterator[Front]:
    """``name``: "nginx" or "caddy"; the ports of what it asks and of what it protects."""
    front = Front(name, free_port())
    ports = {"3002": gateway, "8001": backend}
    command = nginx(front, directory, ports) if name == "nginx" else caddy(front, directory, ports)
    home = {"HOME": str(directory), "XDG_CONFIG_HOME": str(directory), "PATH": os.environ["PATH"]}
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=home | {"XDG_DATA_HOME": str(directory)}, stdout=output, stderr=output
        )
    try:
        assert within(15, lambda: front.listens() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield front
    finally:
        for wire in front.wires:
            wire.close()
        process.terminate()
        process.wait(timeout=20)


def nginx(front: Front, directory: Path, ports: dict[str, int]) -> list[str]:
    text = filled("nginx/momentry.conf", ports)
    assert "listen 8080;" in text
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{front.port};")
    (directory / "momentry.conf").write_text(text)
    user = pwd.getpwuid(os.getuid()).pw_name
    main = directory / "nginx.conf"
    main.write_text(NGINX.format(user=user, directory=directory))
    return [program("nginx", "nginx"), "-e", "stderr", "-p", str(directory), "-c", str(main)]


def caddy(front: Front, directory: Path, ports: dict[str, int]) -> list[str]:
    text = filled("caddy/Caddyfile", ports)
    assert "\n:8080 {" in text
    made = directory / "Caddyfile"
    made.write_text(CADDY + text.replace("\n:8080 {", f"\n:{front.port} {{"))
    found = Path(sys.executable).parent / "caddy"
    assert found.exists(), "requirements-dev.txt brings Caddy beside Python"
    return [str(found), "run", "--config", str(made), "--adapter", "caddyfile"]


def filled(name: str, ports: dict[str, int]) -> str:
    """The file as it is shipped, but for ports and the upstream's slug."""
    text = (INTEGRATIONS / name).read_text()
    for shipped, port in ports.items():
        assert f"127.0.0.1:{shipped}" in text
        text = text.replace(f"127.0.0.1:{shipped}", f"127.0.0.1:{port}")
    assert text.count("upstream=llm") == 1
    return text.replace("upstream=llm", "upstream=echo")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
