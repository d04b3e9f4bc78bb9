"""The plugin that gives a test run its PostgreSQL, its Valkey and its secrets.

Given DATABASE_URL and REDIS_URL it starts none. Loaded by ``-p`` (see pyproject.toml), because the
settings are read before any conftest.py is.
"""

import base64
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from momentry.supervisor.engines import start_throwaway


def key(name: str) -> str:
    """Always the same, so that all processes of a run agree; random enough to be accepted."""
    digest = hashlib.sha256(f"tests only: {name}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()


SECRETS = {
    "MOMENTRY_ENV": "development",
    "SECRET_KEY": key("django"),
    "ENCRYPTION_KEY": key("ring"),
    "API_KEY_PEPPERS": f"1:{key('pepper')}",
    "ADMIN_TOKEN": key("admin token"),
    "RATE_LIMIT_MAX_ATTEMPTS": "100000",  # all tests come from one address
}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """A wrapper, so that it comes before pytest-django, which reads the settings in this hook."""
    for name, value in SECRETS.items():
        os.environ[name] = value
        os.environ.pop(f"{name}_FILE", None)
    # Else each Django that a test starts would compile all of it anew, which takes two seconds.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ["REDIS_URL"] = database_of(worker, os.environ["REDIS_URL"])
    elif not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        early_config.add_cleanup(start_engines())
    return (yield)


def start_engines() -> Callable[[], None]:
    """Set what is missing of DATABASE_URL and REDIS_URL; the answer ends what was started."""
    directory = Path(tempfile.mkdtemp(prefix="momentry-tests-"))
    engines = start_throwaway(directory)
    os.environ["DATABASE_URL"] = os.environ.get("DATABASE_URL") or engines.database_url
    os.environ["REDIS_URL"] = os.environ.get("REDIS_URL") or engines.redis_url

    def stop() -> None:
        engines.stop()
        shutil.rmtree(directory, ignore_errors=True)

    return stop


def database_of(worker: str, url: str) -> str:
    """Each worker has a Valkey database of its own: gw0 the first after the one in the URL."""
    number = int(worker.removeprefix("gw")) + 1
    if url.startswith("unix:"):
        path, _, base = url.partition("?db=")
        return f"{path}?db={int(base or 0) + number}"
    scheme, _, rest = url.partition("://")
    server, _, base = rest.partition("/")
    return f"{scheme}://{server}/{int(base or 0) + number}"
