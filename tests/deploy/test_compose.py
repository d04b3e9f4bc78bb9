"""Each command of docker-compose.yml runs, gets ready, and ends with 0 on SIGTERM."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from momentry.common.crypto.generate import generate
from momentry.supervisor.engines import Engines, start_throwaway
from momentry.supervisor.network import free_port
from tests.deploy.compose import Service, build, in_start_order, ours

READY_SECONDS = 60.0
pytestmark = pytest.mark.slow


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    started = start_throwaway(tmp_path / "engines")
    yield started
    started.stop()


@pytest.fixture
def variables() -> dict[str, str]:
    """What the operator writes into .env."""
    return {
        "POSTGRES_PASSWORD": "0123456789abcdef",
        "SECRET_KEY": generate("secret-key"),
        "ENCRYPTION_KEY": generate("encryption-key"),
        "API_KEY_PEPPERS": generate("pepper"),
        "ADMIN_TOKEN": generate("admin-token"),
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
    }


@pytest.fixture
def image(tmp_path: Path) -> Path:
    build(tmp_path / "image")
    return tmp_path / "image"


@pytest.fixture
def stack(
    engines: Engines, variables: dict[str, str], image: Path, tmp_path: Path
) -> Iterator[dict[str, Service]]:
    items = ours(variables)
    environment = items["migrate"]["environment"]
    django, public = (f"127.0.0.1:{free_port(0)}" for _ in range(2))
    places = {
        environment["DATABASE_URL"]: engines.database_url,
        environment["REDIS_URL"]: engines.redis_url,
        items["django"]["environment"]["DJANGO_SOCKET"]: django,
        items["gateway"]["environment"]["DJANGO_SOCKET"]: django,
        items["gateway"]["environment"]["BIND"]: "127.0.0.1",
        items["gateway"]["environment"]["OPEN_CALLS_DIR"]: str(tmp_path / "open-calls"),
        str(items["gateway"]["environment"]["PORT"]): public.partition(":")[2],
    }
    found = {name: Service(name, items[name], image, places) for name in in_start_order(items)}
    yield found
    for service in found.values():
        service.kill()


def test_every_service_starts_in_order_gets_ready_and_ends_on_sigterm(
    stack: dict[str, Service], variables: dict[str, str], tmp_path: Path
) -> None:
    for name, service in stack.items():
        log = tmp_path / f"{name}.log"
        service.start(log)
        if name == "migrate":
            assert service.wait(READY_SECONDS) == 0, log.read_text()
        else:
            assert until(ready_of(service, log)), log.read_text()

    answer = make_member(stack["gateway"].environment["PORT"], variables["ADMIN_TOKEN"])
    assert answer["api_key"].startswith("muser_")

    running = [service for name, service in stack.items() if name != "migrate"]
    assert {service.name: service.stop() for service in reversed(running)} == {
        service.name: 0 for service in running
    }


def ready_of(service: Service, log: Path) -> Callable[[], bool]:
    """By its health check; the relay has none and says so in its log."""
    if service.has_health_check:
        return lambda: not service.is_running() or service.is_healthy()
    return lambda: f"{service.name} started" in log.read_text()


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def make_member(port: str, token: str) -> dict[str, str]:
    """Through the whole stack: gateway, decision, Django, database."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/admin/users",
        data=b'{"username": "alice"}',
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        found: dict[str, str] = json.load(response)
    return found
