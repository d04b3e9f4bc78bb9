"""PRX-07, PRX-08: what was authorised is what is forwarded, byte for byte, or nothing is."""

import pytest

from accounts.models import User
from apikeys.models import Grant
from tests.gateway.conftest import Database
from tests.gateway.misbehaving import ask, row_of
from tests.gateway.processes import Gateway
from tests.gateway.wire import Server

pytestmark = pytest.mark.slow

EXACT = [
    "/",
    "/v1/chat/completions",
    "/a/b/",
    "/a%2Fb",
    "/a%2fb",
    "/%20/x%20y",
    "/%C3%A9/%E2%82%AC/%F0%9F%98%80",
    "/caf%c3%a9",
    "/a;b=1;c",
    "/a:b@c!$&'()*+,=d",
    "/~user/-._~",
    "/...",
    "/a..b/..c/d..",
    "/.hidden/.well-known/x",
    "/a|b^c`{d}",
    '/"quoted"',
    "/[1]",
    "/100%25",
    "/%E0%A4%85",
    "/a?",
    "/a?b",
    "/a?b=c&b=d&&=;e",
    "/a?q=%zz%&x=%00%0d%0a",
    "/a?../../etc//passwd\\",
    "/a?x=http://elsewhere.test/?y=1",
    "/a?" + "q" * 8000,
    "/" + "p" * 8000,
    "/a%3Fb?c%3Fd",
    "/%23fragment",
    "/%41%42",
    "/%ff/%ed%a0%80",
    "/%EF%BC%8E%EF%BC%8E/x",
]
REFUSED = [
    "/..",
    "/.",
    "/../x",
    "/a/../b",
    "/a/./b",
    "/a/..",
    "/%2e%2e/x",
    "/%2E%2e",
    "/.%2e/x",
    "/%2e./x",
    "/%252e%252e/x",
    "/%25252e%25252e/x",
    "/%2e%252e/x",
    "/..%2fx",
    "/..%2Fx",
    "/a%2f..%2fb",
    "/a%2f%2e%2e%2fb",
    "/..;/x",
    "/..;a=1/x",
    "/.;/x",
    "/%2e%2e;/x",
    "//x",
    "/a//b",
    "/a///b",
    "/a%2f/b",
    "/a/%2fb",
    "/a%2f%2fb",
    "/a%252f%252fb",
    "/\\x",
    "/a\\b",
    "/a%5cb",
    "/a%5C..%5Cb",
    "/a%255cb",
    "/%00",
    "/a%00b",
    "/a%0d%0aX:1",
    "/a%0ab",
    "/a%09b",
    "/a%7fb",
    "/a%2500b",
    "/%",
    "/%2",
    "/%zz",
    "/a%u002e",
    "/%c0%ae%c0%ae/x",
    "/%c0%af",
    "/%e0%80%ae/x",
    "/%f0%80%80%ae",
    "/%c1%9c",
]


def test_what_reads_one_way_arrives_byte_for_byte(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    for rest in EXACT:
        got = ask(gateway, key, f"/proxy/based{rest}")

        line = got.body.partition(b"\r\n")[0]
        assert line == f"GET /base/path{rest} HTTP/1.1".encode(), rest


def test_what_reads_two_ways_is_sent_nowhere(
    gateway: Gateway, database: Database, key: str, upstream: Server
) -> None:
    mark = "X-Mark: read-twice"
    found = {rest: ask(gateway, key, f"/proxy/based{rest}", "GET", mark) for rest in REFUSED}

    assert {rest: got.code for rest, got in found.items()} == dict.fromkeys(REFUSED, "path_refused")
    assert {got.status for got in found.values()} == {400}
    assert upstream.heads_with(mark) == []
    assert row_of(database, found["/.."].request_id)["code"] == "path_refused"


@pytest.mark.parametrize(
    "prefix", ["/proxy%2fbased", "/Proxy/based", "/proxy//based", "/%70roxy/based"]
)
def test_another_spelling_of_the_door_is_not_the_door(
    gateway: Gateway, key: str, upstream: Server, django: Server, prefix: str
) -> None:
    """Whatever it is answered, by the gateway or by Django: no upstream is asked."""
    mark = "X-Mark: other-door"
    got = ask(gateway, key, f"{prefix}/x", "GET", mark)

    assert got.status in {200, 400, 404}
    assert upstream.heads_with(mark) == []


def test_a_grant_on_some_paths_is_not_led_around(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    secret = database.key_for("narrow-paths", "")
    with database.rows():
        Grant.objects.create(
            member=User.objects.get(username="narrow-paths"), upstream="based", paths=["/open/"]
        )
    mark = "X-Mark: led-around"
    around = ["/open/../shut", "/open/%2e%2e/shut", "/open/..;/shut", "/open%2f..%2fshut", "/shut"]

    codes = [ask(gateway, secret, f"/proxy/based{rest}", "GET", mark).code for rest in around]

    assert set(codes) <= {"path_refused", "upstream_forbidden"}
    assert upstream.heads_with(mark) == []
    assert ask(gateway, secret, "/proxy/based/open/x").status == 200
