"""A gateway, its Django and its PostgreSQL, of which each test may have several at once; and calls
of every kind that never pause while something fails, each with what it was told."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import make
from tests.gateway.conftest import starting
from tests.gateway.engine import Engine, OwnDatabase
from tests.gateway.handshake import ASKED
from tests.gateway.processes import Gateway, request
from tests.gateway.test_lock_out import unknown
from tests.gateway.wire import within

ROOT = Path(__file__).parents[2]
JSON = "Content-Type: application/json"
VERIFY = "/api/v1/keys/verify"
LIMIT = 400


@dataclass
class Household:
    """``keys`` by what they are; ``calls``: requests by name, ``fine`` their usual answers."""

    name: str
    engine: Engine
    own: OwnDatabase
    gateway: Gateway
    django: "subprocess.Popen[bytes]"
    keys: dict[str, str] = field(default_factory=dict)

    def processes(self) -> list[int]:
        """All that must live through it."""
        assert self.django.poll() is None
        return [self.django.pid, self.gateway.process.pid, *self.gateway.children()]


def command(name: str, log: Path, given: dict[str, str], *words: str) -> "subprocess.Popen[bytes]":
    """``manage.py name`` as a process of its own."""
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "manage.py", name, *words],
            cwd=ROOT,
            env={**os.environ, "MOMENTRY_NO_VENV": "1", **given},
            stdout=out,
            stderr=out,
        )


@contextmanager
def household(
    name: str, place: Path, engine: Engine, own: OwnDatabase, workers: int
) -> Iterator[Household]:
    """Ready, with keys."""
    place = place / f"h{uuid.uuid4().hex[:6]}"
    place.mkdir()
    given = {"DATABASE_URL": own.url, "DJANGO_SOCKET": str(place / "django.sock")}
    django = command("serve", place / "django.log", given)
    try:
        with ExitStack() as stack:
            gateway = stack.enter_context(starting(own, place))(workers, **given)
            yield Household(name, engine, own, gateway, django, keys_of(own))
    finally:
        django.kill()
        django.wait()


def is_ready(house: Household) -> bool:
    house.gateway.wait_until_listening()
    return within(90, lambda: house.gateway.get("/readyz").status == 200)


def keys_of(own: OwnDatabase) -> dict[str, str]:
    tag = uuid.uuid4().hex[:6]
    keys = {name: own.key_for(f"{name}-{tag}", "echo") for name in ("free", "late", "gone", "cold")}
    keys["quota"] = own.key_for(f"quota-{tag}", "echo", monthly=LIMIT)
    keys["unknown"] = unknown()
    with own.rows():
        keys["validator"] = make.service_key("validator").secret
    own.execute("UPDATE apikeys_apikey SET revoked_at = now() WHERE id = %s", key_id(keys["gone"]))
    return keys


def key_id(secret: str) -> uuid.UUID:
    return uuid.UUID(secret.split("_")[1])


def question(caller: str, about: str) -> bytes:
    body = json.dumps({"key": about, "upstream": "echo"}).encode()
    return request("POST", VERIFY, caller, JSON, body=body)


def calls_of(keys: dict[str, str], room: str) -> dict[str, bytes]:
    """Every kind of call, by every kind of caller. ``room``: a path that takes WebSockets."""
    free = keys["free"]
    admin = os.environ["ADMIN_TOKEN"]
    note = json.dumps({"description": "another"}).encode()
    cold = f"/api/v1/admin/keys/{key_id(keys['cold'])}"
    return {
        "get": request("GET", "/proxy/echo/x", free),
        "post": request("POST", "/proxy/echo/x", free, body=b"said once" * 9),
        "quota": request("GET", "/proxy/echo/x", keys["quota"]),
        "late": request("GET", "/proxy/echo/x", keys["late"]),
        "tunnel": request("GET", f"/proxy/echo{room}", free, *ASKED),
        "verify": question(keys["validator"], free),
        "verify revoked": question(keys["validator"], keys["gone"]),
        "verify unknown": question(keys["validator"], keys["unknown"]),
        "me": request("GET", "/api/v1/me", free),
        "change": request("PATCH", cold, admin, JSON, body=note),
        "admin": request("GET", "/api/v1/admin/tiers", admin),
        "unknown": request("POST", "/proxy/echo/x", keys["unknown"], body=b"never"),
        "unknown me": request("GET", "/api/v1/me", keys["unknown"]),
        "unknown asks": question(keys["unknown"], free),
        "revoked": request("GET", "/proxy/echo/x", keys["gone"]),
        "revoked tunnel": request("GET", f"/proxy/echo{room}", keys["gone"], *ASKED),
        "revoked me": request("GET", "/api/v1/me", keys["gone"]),
    }
