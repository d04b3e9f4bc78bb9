"""AUTH-11, LOG-01: after every write of the REST API none of the secrets that it gave or was given
is in a table, in Valkey or in the log; in answers, each that was made is once and no other is."""

import base64
import logging
import os
import re
import uuid
from collections import Counter
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection, transaction
from redis import Redis

from momentry.common import logs
from momentry.common.env import Environment
from tests.apikeys.roles import KEYS, TOKENS, Route, call, cast, routes
from tests.apikeys.test_every_write_recorded import caller_of
from tests.apikeys.writes import BEFORE, CREDENTIALS, ChangingHouse
from tests.gateway.test_no_secret_anywhere import valkey

pytestmark = pytest.mark.django_db
WRITES = [route for route in routes() if route.method != "GET"]
MARK = uuid.uuid4().hex[:12]
GIVEN = {
    f"POST {TOKENS}": {"token": f"given-token-{MARK}"},
    f"PATCH {TOKENS}/{{id}}": {"token": f"given-patch-{MARK}"},
    f"POST {TOKENS}/{{id}}/revoke": {"password": f"given-password-{MARK}"},
    f"POST {CREDENTIALS}": {"api_key": f"given-credential-{MARK}"},
    "POST /api/v1/hooks/sftpgo/auth": {"password": f"given-sftp-{MARK}"},
    "POST /api/v1/keys/verify": {"key": f"given-key-{MARK}"},
}
MADE = re.compile(r"(?:muser|mtrial|msvc|madm)_[0-9a-f]{32}_[0-9a-z]+_([0-9A-Za-z]{43})_")
SIGNS = re.compile(r'"(whsec_[A-Za-z0-9+/=]+)"')
LINK = re.compile(r"/claim/([A-Za-z0-9_=-]{64})")
TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"


class GivingHouse(ChangingHouse):
    def body(self, route: Route, caller: Any) -> dict[str, Any]:
        return {**super().body(route, caller), **GIVEN.get(str(route), {})}


def tables() -> str:
    found = []
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        for (name,) in cursor.fetchall():
            cursor.execute(f"SELECT t::text FROM {name} t")
            found += [row for (row,) in cursor.fetchall()]
    return "\n".join(found)


def forms(secret: str) -> set[str]:
    raw = secret.encode()
    return {secret, quote(secret, safe=""), raw.hex(), base64.b64encode(raw).decode()}


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Any:
    """What a process would have logged, down to the least important."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure("test", Environment({"LOG_LEVEL": "DEBUG"}))
    yield lambda: capsys.readouterr().out
    root.handlers[:], level = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.mark.parametrize("route", WRITES, ids=str)
def test_a_write_leaves_no_secret_behind(route, lines):
    callers, house = cast(), GivingHouse()
    caller = caller_of(route, callers)
    BEFORE.get(str(route), lambda _: None)(house)
    with transaction.atomic():
        answer = call(caller, route, house)
    told = answer.content.decode()
    made = Counter([*MADE.findall(told), *LINK.findall(told), *SIGNS.findall(told)])
    secrets = {*made, *GIVEN.get(str(route), {}).values(), os.environ["ADMIN_TOKEN"]}

    assert set(made.values()) <= {1}, "a secret is told once"
    places = {"tables": tables(), "valkey": valkey().decode("latin-1"), "lines": lines()}
    assert [
        (place, secret)
        for place, text in places.items()
        for secret in secrets
        for form in forms(secret)
        if form in text
    ] == []
    assert not [value for value in GIVEN.get(str(route), {}).values() if value in told]


def test_keys_are_made_by_what_is_asked():
    """Else the patterns above look for nothing."""
    callers, house = cast(), GivingHouse()
    route = next(route for route in WRITES if str(route) == f"POST {KEYS}")

    answer = call(caller_of(route, callers), route, house)

    assert len(MADE.findall(answer.content.decode())) == 1
    assert Redis.from_url(os.environ["REDIS_URL"]).ping()
