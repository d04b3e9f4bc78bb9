"""The whole, through the processes that `up` starts: a person registers in WordPress, fetches a
key, talks to an LLM with the OpenAI SDK, is counted, is refused at the limit, and is shut out."""

import json
import re
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import httpx2
import openai
import psycopg
import pytest
from standardwebhooks.webhooks import Webhook

from tests.e2e import openai_server
from tests.e2e.browser import log_in, submit
from tests.e2e.conftest import SECRET

pytestmark = pytest.mark.slow
LIMIT = 40


@pytest.fixture(scope="module")
def vendor():
    server = openai_server.Vendor()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def key(stack, vendor):
    """The key of a member who came the whole way; the vendor is set up by staff meanwhile."""
    register(stack)
    secret = claim(stack, claim_link(stack))
    set_up_vendor(stack, vendor)
    return secret


def register(stack):
    body = json.dumps(
        {
            "type": "user.registered",
            "id": str(uuid.uuid4()),
            "sequence": 1,
            "data": {
                "user": {
                    "id": 7, "username": "ann", "email": "ann@example.org", "locale": "en_US",
                    "display_name": "Ann 王", "roles": ["subscriber"], "status": "active",
                }
            },
        },
        ensure_ascii=False,
    )  # fmt: skip
    for status in ("applied", "duplicate"):
        now = datetime.now(UTC)
        headers = {
            "webhook-id": json.loads(body)["id"],
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(json.loads(body)["id"], now, body),
        }
        answer = httpx2.post(
            f"{stack.url}/api/v1/webhooks/wordpress", content=body.encode(), headers=headers
        )
        assert (answer.status_code, answer.json()) == (200, {"status": status})


def claim_link(stack) -> str:
    """From the welcome mail, which the relay prints to its console."""
    for _ in range(100):
        text = (stack.data / "log" / "relay.log").read_text()
        if found := re.search(r"http://\S+/claim/\S+", text):
            return found[0]
        time.sleep(0.1)
    raise AssertionError("no welcome mail came")


def claim(stack, link: str) -> str:
    path = link.removeprefix(stack.url)
    with httpx2.Client(base_url=stack.url) as browser:
        assert "muser_" not in re.sub(r"muser_\w{8}…", "", browser.get(path).text)
        page = submit(browser, path)
        again = browser.get(path)
    assert (page.status_code, again.status_code) == (200, 404)
    return re.search(r"muser_[0-9a-f]{32}_\w+", page.text)[0]


def set_up_vendor(stack, vendor) -> None:
    with closing(log_in(stack.url, stack.admin_password)) as staff:
        answers = fill_in(staff, vendor)
    for answer in answers:
        assert answer.status_code == 302, re.findall(r"errorlist.*?</ul>", answer.text, re.DOTALL)
    time.sleep(1)  # changes of upstreams reach every process within a second (DESIGN §8)


def fill_in(staff, vendor):
    return [
        submit(
            staff, "/admin/proxy/upstream/add/", slug="llm", name="LLM", injection="header",
            **{"targets-0-base_url": vendor.url, "targets-0-weight": "1",
               "targets-0-new_credential": openai_server.KEY, "targets-0-is_active": "on",
               "targets-TOTAL_FORMS": "1"},
        ),
        submit(staff, "/admin/apikeys/grant/add/", tier="starter", upstream="llm"),
        submit(
            staff, "/admin/apikeys/tier/starter/change/",
            requests_per_month=str(LIMIT), requests_per_second="",
        ),
    ]  # fmt: skip


@pytest.fixture
def client(stack, key):
    with openai.OpenAI(api_key=key, base_url=f"{stack.url}/proxy/llm/v1") as sdk:
        yield sdk


def test_a_member_is_served_up_to_the_limit_and_shut_out_when_revoked(stack, key, vendor, client):
    messages = [{"role": "user", "content": "hi"}]
    me = httpx2.get(f"{stack.url}/api/v1/me", headers={"X-API-Key": key}).json()
    assert (me["member"]["username"], me["status"]) == ("ann", "active")

    whole = client.chat.completions.create(model="m", messages=messages)
    stream = client.chat.completions.create(model="m", messages=messages, stream=True)
    words = [chunk.choices[0].delta.content for chunk in stream]

    assert whole.choices[0].message.content == "Hello from the vendor"
    assert words == ["Hello", " from", " the", " vendor"]
    assert {seen["authorization"] for seen in vendor.seen} == {f"Bearer {openai_server.KEY}"}
    assert not [seen for seen in vendor.seen if key in str(seen)]

    assert_exactly_the_limit(stack, key, used=2)
    assert_logged(stack, key, requests=2)
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(model="m", messages=messages)
    assert (refused.value.code, refused.value.type) == ("quota_exceeded", "insufficient_quota")

    assert_plaintext_nowhere(stack, key)
    assert_revoked_everywhere(stack, key)
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="m", messages=messages)


def assert_exactly_the_limit(stack, key, *, used: int) -> None:
    """64 at once over fresh connections, so both gateway processes are asked."""

    def call(_):
        return httpx2.get(
            f"{stack.url}/proxy/echo/x", headers={"X-API-Key": key}, timeout=30
        ).status_code

    with ThreadPoolExecutor(16) as pool:
        answers = Counter(pool.map(call, range(64)))

    assert answers == {200: LIMIT - used, 429: 64 - (LIMIT - used)}


def assert_logged(stack, key, *, requests: int) -> None:
    """One row per call, with the right member, within the quarter second a batch may take."""
    time.sleep(1)
    with psycopg.connect(stack.database_url()) as database:
        rows = database.execute(
            "SELECT u.username, l.upstream, l.path, l.status FROM apikeys_requestlog l "
            "JOIN accounts_user u ON u.id = l.member_id WHERE l.upstream = 'llm'"
        ).fetchall()
        calls = database.execute(
            "SELECT count(*), count(DISTINCT id) FROM apikeys_requestlog"
            " WHERE upstream = 'echo' AND key_id = %s",
            [key.split("_")[1]],
        ).fetchone()
        secrets = database.execute(
            "SELECT count(*) FROM apikeys_requestlog l WHERE l::text LIKE %s", [f"%{key[-40:]}%"]
        ).fetchone()
    assert rows == [("ann", "llm", "/proxy/llm/v1/chat/completions", 200)] * requests
    assert calls == (64, 64)
    assert secrets == (0,)


def assert_plaintext_nowhere(stack, key) -> None:
    """AUTH-11, ENC-02, LOG-01: neither the key nor the vendor's is in a log file or a table."""
    secrets = (key[40:], openai_server.KEY, SECRET, stack.admin_password, stack.admin_token)
    for log in (stack.data / "log").glob("*.log"):
        text = log.read_text()
        assert not [secret for secret in secrets if secret in text], log.name
    with psycopg.connect(stack.database_url()) as database:
        tables = database.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
        for (table,) in tables:
            for secret in (*secrets, "ann@example.org" if table == "events_mail" else key[40:]):
                found = database.execute(
                    f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{secret}%"]
                ).fetchone()
                assert found == (0,), (table, secret[:4])


def assert_revoked_everywhere(stack, key) -> None:
    admin = {"Authorization": f"Bearer {stack.admin_token}"}
    key_id = uuid.UUID(key.split("_")[1])

    answer = httpx2.delete(f"{stack.url}/api/v1/admin/keys/{key_id}", headers=admin)

    assert answer.status_code == 204
    for _ in range(20):  # fresh connections: the kernel spreads them over both processes
        refused = httpx2.get(f"{stack.url}/proxy/echo/x", headers={"X-API-Key": key})
        assert (refused.status_code, refused.json()["code"]) == (401, "key_revoked")
