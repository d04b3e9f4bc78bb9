"""What a front asks is read strictly: whatever a client could have slipped in is refused."""

import pytest

from proxy.gateway.fronts import Question, dialect_of, read
from proxy.gateway.head import BadMessage
from tests.gateway.unit.heads import parsed

METHOD, URI = "X-Forwarded-Method: POST", "X-Forwarded-Uri: /v1/chat?x=1"
GOOD = "GET /auth/verify?dialect=nginx&upstream=llm HTTP/1.1"


def asked(line: str = GOOD, *fields: str, is_trusted: bool = True) -> Question:
    return read(parsed(*fields, line=line), is_trusted=is_trusted)


def refused(line: str = GOOD, *fields: str, is_trusted: bool = True) -> str:
    with pytest.raises(BadMessage) as caught:
        asked(line, *fields, is_trusted=is_trusted)
    return caught.value.code


@pytest.mark.parametrize("dialect", ["nginx", "traefik", "caddy", "envoy"])
def test_method_and_path_are_those_that_the_front_was_asked_for(dialect):
    line = f"GET /auth/verify?upstream=llm&dialect={dialect} HTTP/1.1"

    assert asked(line, METHOD, URI) == Question(b"llm", b"POST", b"/v1/chat")


def test_envoy_keeps_the_method_and_sends_the_path_behind_a_prefix():
    line = "DELETE /auth/verify/envoy/llm/v1/a%2Fb?upstream=x&dialect=nginx HTTP/1.1"

    assert asked(line) == Question(b"llm", b"DELETE", b"/v1/a%2Fb")
    assert asked("GET /auth/verify/envoy/llm HTTP/1.1").path == b"/"


def test_what_envoys_client_writes_into_its_query_or_fields_decides_nothing():
    line = "GET /auth/verify/envoy/llm/a?dialect=nginx&upstream=other HTTP/1.1"

    assert asked(line, METHOD, "X-Forwarded-Uri: /b") == Question(b"llm", b"GET", b"/a")
    assert dialect_of(parsed(line=line)) == b"envoy"


def test_if_nobody_trusts_who_asks_then_nothing_it_says_is_believed():
    envoy = "GET /auth/verify/envoy/llm/a HTTP/1.1"

    assert refused(GOOD, METHOD, URI, is_trusted=False) == "path_unknown"
    assert refused(envoy, is_trusted=False) == "path_unknown"


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (METHOD,),
        (URI,),
        (METHOD, URI, URI),
        (METHOD, METHOD, URI),
        (METHOD, URI, "X-Forwarded-Uri: /other"),
        (METHOD, "X-Forwarded-Uri:"),
        (METHOD, "X-Forwarded-Uri: *"),
        (METHOD, "X-Forwarded-Uri: v1/chat"),
        (METHOD, "X-Forwarded-Uri: http://a.test/v1/chat"),
        ("X-Forwarded-Method:", URI),
        ("X-Forwarded-Method: GET, POST", URI),
        ("X-Forwarded-Method: get", URI),
        ("X-Original-Method: GET", "X-Original-URI: /v1/chat"),
    ],
)
def test_a_missing_odd_or_doubled_field_is_no_question(fields):
    assert refused(GOOD, *fields) == "path_unknown"


@pytest.mark.parametrize(
    "uri",
    [
        "/allowed/../secret", "/allowed/%2e%2e/secret", "/allowed/..%2Fsecret", "/a/./b", "//a",
        "/allowed/%252e%252e/secret", "/a//b", "/a\\b", "/a%5Cb", "/a%00b", "/a%c0%aeb", "/a%zz",
        "/a b", "/a#b", "/a\xe9", "/a/..;x/b", "/a/..?b",
    ],
)  # fmt: skip
def test_a_path_that_two_readers_could_read_differently_is_refused(uri):
    assert refused(GOOD, METHOD, f"X-Forwarded-Uri: {uri}") == "path_refused"


def test_a_method_that_the_gateway_does_not_carry_is_refused_as_on_proxy():
    assert refused(GOOD, "X-Forwarded-Method: TRACE", URI) == "method_not_allowed"
    assert refused(GOOD, "X-Forwarded-Method: BREW", URI) == "not_implemented"


@pytest.mark.parametrize(
    "query",
    [
        "", "?", "?dialect=nginx", "?upstream=llm", "?dialect=apache&upstream=llm",
        "?dialect=&upstream=llm", "?dialect=nginx&upstream=llm&upstream=other",
        "?dialect=nginx&dialect=caddy&upstream=llm", "?dialect=nginx&upstream=llm&uri=/x",
        "?dialect=nginx&upstream=llm&", "?dialect=NGINX&upstream=llm",
    ],
)  # fmt: skip
def test_a_query_that_is_not_the_fronts_own_is_bad(query):
    assert refused(f"GET /auth/verify{query} HTTP/1.1", METHOD, URI) == "bad_request"


@pytest.mark.parametrize("slug", ["", "LLM", "llm/x", "l%6cm", "-llm", "a" * 61])
def test_what_is_no_slug_names_no_upstream(slug):
    line = f"GET /auth/verify?dialect=nginx&upstream={slug} HTTP/1.1"

    assert refused(line, METHOD, URI) == "upstream_unknown"


def test_only_reading_methods_ask_and_only_one_prefix_is_known():
    assert refused(GOOD.replace("GET", "POST"), METHOD, URI) == "method_not_allowed"
    assert refused("GET /auth/verify/traefik/llm/a HTTP/1.1") == "bad_request"
    assert refused("GET /auth/verify/envoy HTTP/1.1") == "bad_request"
    assert refused("GET /auth/verify/envoy//a HTTP/1.1") == "bad_request"
