"""PRX-11, LOG-01: whatever goes wrong with an upstream, its credential stands in no answer, line,
figure or row of ours."""

import uuid
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest

from proxy.models import Target
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import close, hang, reset, says
from tests.gateway.processes import Gateway, request
from tests.gateway.trio import end_probes, free_port, servers
from tests.gateway.wire import Script, within

SECRET = "sk-untold/7fQ+x2==&k=Zq81pWm4Lk2vTn"
SPELT = {
    spelling.encode()
    for spelling in (SECRET, quote(SECRET), quote(SECRET, safe=""), SECRET.encode().hex())
} | {b64encode(SECRET.encode()), b64encode(f"user:{SECRET}".encode())}
WAYS: dict[str, dict[str, str]] = {
    "header": {
        "injection": "header", "injection_name": "X-Key", "injection_template": "{credential}",
    },
    "basic": {"injection": "basic"},
    "query": {"injection": "query", "injection_name": "key"},
}  # fmt: skip
END = "Connection: close"
HEAD = b"HTTP/1.1 200 OK\r\n"
FAULTS: dict[str, Script] = {
    "/closes": says(b"", close), "/resets": says(HEAD, reset), "/hangs": says(b"", hang),
    "/babbles": says(b"SSH-2.0-x\r\n\r\n", close),
    "/cuts": says(HEAD + b"Content-Length: 9\r\n\r\nab", close),
    "/twice": says(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", close),
    "/large": says(HEAD + b"X: " + b"x" * 40_000, hang),
    "/switches": says(b"HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", close),
    "/huge": says(HEAD + b"Content-Length: 999999\r\n\r\n", hang),
    "/unavailable": says(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"),
}  # fmt: skip
TABLES = """
SELECT table_name FROM information_schema.tables
 WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
"""


@pytest.fixture(scope="module")
def gateway(start_once: Start) -> Gateway:
    return start_once(workers=2).wait_until_ready()


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_no_fault_tells_it(gateway: Gateway, database: Database, way: str) -> None:
    slug = f"un-{uuid.uuid4().hex[:8]}"
    with servers(1) as (server,):
        for path, script in FAULTS.items():
            server.on(path, script)
            server.on(f"/well{path}", script)
        secret = f"user:{SECRET}" if way == "basic" else SECRET
        given: dict[str, Any] = {"first_byte_timeout_ms": 300, "idle_timeout_ms": 300}
        given |= {"max_response_bytes": 5000}
        given |= {"failure_threshold": 3, "health_path": "/babbles", "health_interval_ms": 500}
        with database.rows():
            base_url = f"http://127.0.0.1:{server.port}"
            row = make.upstream(slug, base_url, credential=secret, **given, **WAYS[way])
            dead = Target.objects.create(upstream=row, base_url=f"http://127.0.0.1:{free_port()}")
            make.keep_credential(dead, secret)
            scraper = make.service_key("metrics").secret
        key = database.key_for(slug, slug)

        told = [
            gateway.connect().send(request(method, f"/proxy/{slug}{path}?a=b", key, END)).rest()
            for path in FAULTS
            for method in ("GET", "POST")
        ]
        told.append(gateway.get("/metrics", scraper).body)
        rows = "SELECT 1 FROM proxy_outage WHERE target_id = %s"
        assert within(10, lambda: bool(database.fetch(rows, dead.pk)))
        assert any(SECRET.encode() in h or quote(SECRET, safe="").encode() in h
                   or b64encode(secret.encode()) in h for h in server.heads)  # fmt: skip
        end_probes(database, slug)

    told.append(b"\n".join(line.encode() for line in gateway.lines))
    logged = "SELECT count(*) FROM apikeys_requestlog WHERE upstream = %s"
    assert within(10, lambda: database.fetch(logged, slug)[0][0] == 2 * len(FAULTS))
    for (table,) in database.fetch(TABLES):
        told += [str(row).encode() for row in database.fetch(f'SELECT t::text FROM "{table}" t')]
    assert len(told) > 50
    found = [text[:300] for text in told for spelling in SPELT if spelling in text]
    assert found == []
