"""LOG-01, PRX-11: after calls of every kind none of their secrets is in the processes' logs, in any
table, in Valkey, in the notes of open calls, or in the head of an answer."""

import base64
import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg
import pytest
from redis import Redis

from apikeys.models import Grant
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.fronted import asking
from tests.gateway.handshake import ASKED, accepted
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Cut, Script, Server, Wire, within

pytestmark = pytest.mark.slow
MARK: Final = uuid.uuid4().hex[:12]
CREDENTIALS: Final = {
    "header": f"sk-head/{MARK}+1", "query": f"sk query&{MARK}", "basic": f"who:sk-basic-{MARK}",
    "second": f"sk-second-{MARK}", "off": f"sk-off-{MARK}",
}  # fmt: skip
SAID: Final = {
    name: f"said-{name}-{MARK}" for name in ("body", "query", "field", "cookie", "front")
}
JSON: Final = "Content-Type: application/json"


def forms(secret: str) -> set[bytes]:
    """As it may stand somewhere."""
    raw = secret.encode()
    plain = {raw, quote(secret, safe="").encode(), quote(secret).encode(), raw.hex().encode()}
    return plain | {base64.b64encode(raw), secret.replace(" ", "+").encode(), raw[::-1]}


@pytest.fixture(scope="module")
def secret(database: Database, upstream: Server) -> Iterator[str]:
    """A key that may call one upstream of each kind."""
    base = f"http://127.0.0.1:{upstream.port}"
    dead, name = "http://127.0.0.1:9", "http://no-such-name.invalid"
    kinds = [
        ("s-header", base, "header", {}),
        ("s-query", base, "query", {"usage_format": "openai"}),
        ("s-basic", base, "basic", {}),
        ("s-dead", dead, "query", {}),
        ("s-name", name, "header", {"connect_timeout_ms": 300}),
        ("s-tls", base.replace("http:", "https:"), "query", {}),
    ]
    with database.rows():
        rows = [
            make.upstream(
                slug, where, credential=CREDENTIALS[kind], injection=kind, failure_threshold=999,
                injection_name="k" if kind == "query" else "Authorization", **given,
            )
            for slug, where, kind, given in kinds
        ]  # fmt: skip
        target = rows[0].targets.get()
        make.keep_credential(target, CREDENTIALS["second"])
        make.keep_credential(target, CREDENTIALS["off"], is_active=False)
    secret = database.key_for(f"s{MARK}", "s-header s-query s-basic s-dead s-name s-tls")
    budget = "UPDATE apikeys_tier SET tokens_per_month = 1000000000 WHERE slug = %s"
    database.change(budget, f"tier-s{MARK}")
    with database.rows():
        Grant.objects.filter(upstream="s-tls").update(methods=["GET"])
    yield secret
    with database.rows():
        for row in rows:
            row.delete()


def repeating(answer: bytes) -> Script:
    """Says what it was called by, credential and all, where ``%b`` stands."""

    def script(wire: Wire, head: bytes) -> None:
        line, *fields = head.split(b"\r\n")
        told = [field.partition(b": ")[2] for field in fields if b"uthorization" in field]
        place = line.split(b" ")[1].replace(SAID["query"].encode(), b"")
        wire.send(answer.replace(b"%b", b" ".join([place, *told])))
        raise Cut("said")

    return script


ANSWERS: Final = {
    "fine": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "moved": b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n",
    "reason": b"HTTP/1.1 404 No %b\r\nX-You: %b\r\nContent-Length: 0\r\n\r\n",
    "nonsense": b"HTTP/1.1 200 OK\r\n%b\r\n\r\n",
    "status": b"%b HTTP/1.1\r\n\r\n",
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n",
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n%b",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n",
    "usage": b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"model":"%b","usage":{',
    "silent": b"",
}


def calls(gateway: Gateway, secret: str, caller: str) -> list[bytes]:
    """What comes back of each, as it stood on the wire."""
    fields = (
        JSON,
        f"X-Own: {SAID['field']}",
        f"Cookie: c={SAID['cookie']}",
        f"User-Agent: {secret}",
    )
    body = json.dumps({"stream": True, "prompt": SAID["body"], "model": secret[:-5]}).encode()
    question = {"key": secret, "upstream": "s-query", "method": "POST", "tokens": 5}
    wanted = [
        request(method, f"/proxy/{slug}/{place}?q={SAID['query']}", secret, *fields,
                body=body if method == "POST" else b"")
        for slug in ("s-header", "s-query", "s-basic")
        for place in (f"{MARK}-{name}" for name in ANSWERS)
        for method in ("GET", "POST")
    ]  # fmt: skip
    wanted += [
        request("GET", f"/proxy/{slug}/x?q={SAID['query']}", secret, *fields)
        for slug in ("s-dead", "s-name", "s-tls", "s-none")
    ]
    wanted += [
        request("POST", "/proxy/s-tls/x", secret, *fields, body=body),
        request("GET", f"/proxy/s-header/{secret}/{quote(secret)}", secret),
        request("GET", f"/proxy/s-header/..?q={SAID['query']}", secret, *fields),
        request("GET", "/proxy/s-header/x", CREDENTIALS["header"], *fields),
        request("GET", "/proxy/s-header/x", secret[:-1] + "!", *fields),
        request("GET", "/proxy/s-header/x", secret, f"X-API-Key: {secret}"),
        request("GET", f"/proxy/s-basic/{MARK}-ws", secret, *ASKED),
        request("POST", "/api/v1/keys/verify", caller, JSON, body=json.dumps(question).encode()),
        request("POST", "/api/v1/keys/verify", caller, JSON, body=b'{"key": "' + secret.encode()),
        asking(secret, upstream="s-basic", uri=f"/x?k={SAID['front']}"),
        request("GET", f"/x\x01{secret}", secret),
    ]
    return [answered(gateway, call) for call in wanted]


def answered(gateway: Gateway, call: bytes) -> bytes:
    wire = gateway.connect().send(call)
    heard = b""
    with contextlib.suppress(Cut, TimeoutError, OSError):
        heard = wire.until(b"\r\n\r\n")
        wire.socket.settimeout(0.05)
        wire.rest()
    wire.close()
    return heard


def tables(database: Database) -> bytes:
    """Every row of every table, as text; bytes as they are too."""
    found = []
    names = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(database.conninfo, autocommit=True) as direct:
        for (name,) in direct.execute(names).fetchall():
            with direct.cursor().copy(
                f"COPY (SELECT * FROM {name}) TO STDOUT (FORMAT BINARY)"
            ) as copy:
                found += [bytes(part) for part in copy]
    return b"".join(found)


def valkey() -> bytes:
    store: Any = Redis.from_url(os.environ["REDIS_URL"])
    found: list[Any] = []
    readers = {
        b"string": store.get, b"hash": store.hgetall, b"set": store.smembers,
        b"list": lambda key: store.lrange(key, 0, -1),
        b"zset": lambda key: store.zrange(key, 0, -1, withscores=True),
    }  # fmt: skip
    for key in store.scan_iter():
        found += [key, readers.get(store.type(key), lambda _: b"")(key)]
    return repr(found).encode()


def test_none_is_found_after_calls_of_every_kind(
    start: Start, database: Database, upstream: Server, secret: str, tmp_path: Path
) -> None:
    for name, answer in ANSWERS.items():
        upstream.on(f"/{MARK}-{name}", repeating(answer))
    upstream.on(f"/{MARK}-ws", lambda wire, _head: wire.send(accepted()).until(b"never") and None)
    with database.rows():
        caller = make.service_key("validator").secret
    values = {"SLOW_REQUEST_MS": "1", "LOG_LEVEL": "DEBUG", "TRUSTED_PROXIES": "127.0.0.1"}
    gateway = start(2, OPEN_CALLS_DIR=str(tmp_path), **values).wait_until_ready()
    secrets = [*CREDENTIALS.values(), *SAID.values()]
    looked_for = set[bytes]().union(*map(forms, secrets), *map(forms, tails(secret, caller)))
    own = (os.environ[name] for name in ("ENCRYPTION_KEY", "API_KEY_PEPPERS"))
    looked_for |= {value.encode() for value in own}

    heads = calls(gateway, secret, caller)
    owner = uuid.UUID(secret.split("_")[1])
    count = "SELECT count(*) FROM apikeys_requestlog WHERE key_id = %s"
    assert within(10, lambda: int(str(database.fetch(count, owner)[0][0])) >= 60)
    notes = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    places = {"tables": tables(database), "valkey": valkey(), "notes": notes}
    assert gateway.stop() == 0
    places |= {"logs": "".join(gateway.lines).encode(), "answers": b"".join(heads)}

    assert f"{MARK}-fine".encode() in places["tables"]
    assert b"slow request" in places["logs"]
    assert sum(bool(head) for head in heads) > 50
    found = [(place, text) for place, data in places.items() for text in looked_for if text in data]
    for pl, tx in found:
        d = places[pl]
        i = d.index(tx)
        print(pl, tx, d[max(0, i - 300) : i + 120])
    assert found == []


def tails(*keys: str) -> list[str]:
    """The part of a key that nobody else may know; a name of a model has no room for all of it."""
    return [key.split("_")[3] for key in keys]
