"""What a request head means, and which heads are refused with what."""

import pytest

from proxy.gateway.blocks import find_end
from proxy.gateway.head import MAX_FIELDS, MAX_HEAD, BadMessage, parse_request
from tests.gateway.unit.heads import parsed, refusal, request


def test_a_head_is_taken_apart():
    head = parse_request(
        b"POST /a%20b?c=%2F HTTP/1.1\r\nHost: a.test:80\r\nX-One:\t two  words \t\r\n"
        b"Set-Thing: 1\r\nset-thing: 2\r\nEmpty:\r\nContent-Length: 5\r\n\r\n"
    )

    assert (head.method, head.path, head.query) == (b"POST", b"/a%20b", b"c=%2F")
    assert head.headers == [
        (b"host", b"a.test:80"),
        (b"x-one", b"two  words"),
        (b"set-thing", b"1"),
        (b"set-thing", b"2"),
        (b"empty", b""),
        (b"content-length", b"5"),
    ]
    assert (head.version, head.host, head.content_length) == (11, b"a.test:80", 5)
    assert (head.chunked, head.keep_alive, head.has_body) == (False, True, True)


@pytest.mark.parametrize(
    ("line", "target", "query"),
    [
        ("GET / HTTP/1.1", b"/", None),
        ("GET /? HTTP/1.1", b"/?", b""),
        ("GET /?a?b HTTP/1.1", b"/?a?b", b"a?b"),
        ("GET //x/%2e HTTP/1.1", b"//x/%2e", None),
        ("GET http://evil.test/x?y HTTP/1.1", b"/x?y", b"y"),
        ("GET HTTPS://evil.test:8443 HTTP/1.1", b"/", None),
        ("GET http://evil.test?y HTTP/1.1", b"/?y", b"y"),
        ("GET http://[::1]:80/x HTTP/1.1", b"/x", None),
    ],
)
def test_the_target_becomes_origin_form_and_its_authority_decides_nothing(line, target, query):
    head = parsed(line=line)

    assert (head.target, head.query, head.host) == (target, query, b"a.test")


@pytest.mark.parametrize(
    "line",
    [
        "GET * HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET a.test:80 HTTP/1.1",
        "GET path HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET http:///x HTTP/1.1",
        "GET http://user@a.test/ HTTP/1.1",
        "GET http://a.test/#x HTTP/1.1",
        "GET ftp://a.test/ HTTP/1.1",
        "GET /\u00e4 HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "GET /a\x00b HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / HTTP/0.9",
        "GET / HTTP/11",
        "GET / http/1.1",
        "GET /",
        "PRI * HTTP/2.0",
        "G(T / HTTP/1.1",
        "",
    ],
)
def test_an_odd_request_line_is_refused(line):
    assert refusal(request(line=line)) == "bad_request"


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("TRACE", "method_not_allowed"),
        ("CONNECT", "method_not_allowed"),
        ("PROPFIND", "not_implemented"),
        ("get", "not_implemented"),
        ("GETX", "not_implemented"),
    ],
)
def test_methods_we_do_not_carry_are_refused(method, code):
    assert refusal(request(line=f"{method} /a HTTP/1.1")) == code


def test_connect_is_refused_by_method_before_its_target_is_looked_at():
    assert refusal(request(line="CONNECT a.test:443 HTTP/1.1")) == "method_not_allowed"


@pytest.mark.parametrize(
    "field",
    [
        "Name : x",
        " Name: x",
        "\tfolded",
        ": x",
        "Na me: x",
        "Na\u00efve: x",
        "Name",
        "Name: a\x00b",
        "Name: a\x7fb",
        "Name: a\x0bb",
        "Name: a\rb",
        "Name: a\nb",
        "Name: a\n",
        "A: b\r\n folded",
        "A: b\r\n\tfolded",
        "N[a]: x",
    ],
)
def test_an_odd_field_is_refused(field):
    assert refusal(request(field)) == "bad_request"


def test_obs_text_and_tabs_inside_a_value_pass_byte_exact():
    head = parsed("X-Name: caf\u00e9\t\u00ff")

    assert head.headers[-1] == (b"x-name", b"caf\xe9\t\xff")


@pytest.mark.parametrize(
    "host",
    ["a.test", "a_b.test:8080", "127.0.0.1", "[::1]", "[2001:db8::1]:443", "A-1.TEST", "localhost"],
)
def test_a_valid_host_is_kept_as_sent(host):
    assert parsed(host=f"Host: {host}").host == host.encode()


@pytest.mark.parametrize(
    "host",
    [
        "",
        "Host:",
        "Host: a/b",
        "Host: a#b",
        "Host: u@a",
        "Host: a b",
        "Host: a, b",
        "Host: a:b",
        "Host: a:",
        "Host: a:123456",
        "Host: a?b",
        "Host: [::1",
        "Host: ::1",
        "Host: a\\b",
        "Host: a\u00e4",
        "Host: a\r\nHost: a",
        "Host: a\r\nhOST: b",
    ],
)
def test_exactly_one_valid_host_is_required(host):
    assert refusal(request(host=host)) == "bad_request"


def test_http_1_0_needs_no_host_but_may_not_send_a_bad_one():
    assert parsed(line="GET / HTTP/1.0", host="").host == b""
    assert refusal(request(line="GET / HTTP/1.0", host="Host: a/b")) == "bad_request"


@pytest.mark.parametrize("name", ["X_API_KEY", "x_api-key", "x-api_key", "api_key", "API_Key"])
def test_a_credential_name_with_an_underscore_is_ambiguous(name):
    assert refusal(request(f"{name}: x")) == "ambiguous_credentials"


@pytest.mark.parametrize(
    "name",
    [
        "X_Momentry_User_Id",
        "x-momentry_user-id",
        "x_forwarded_for",
        "X_Real_IP",
        "x_request_id",
        "content_length",
        "keep_alive",
        "x_original_url",
        "cf_connecting_ip",
        "http2_settings",
    ],
)
def test_a_name_of_ours_with_an_underscore_is_refused(name):
    assert refusal(request(f"{name}: x")) == "bad_request"


def test_other_names_with_an_underscore_pass():
    assert parsed("my_field: a_b").headers[-1] == (b"my_field", b"a_b")


def test_an_upgrade_is_no_reason_to_read_the_body_otherwise():
    head = parsed("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "Content-Length: 4")

    assert (head.content_length, head.keep_alive) == (4, True)


def test_too_many_fields_are_refused():
    fields = [f"A{number}: x" for number in range(MAX_FIELDS - 1)]

    assert refusal(request(*fields)) == ""
    assert refusal(request(*fields, "One-More: x")) == "head_too_large"


def test_the_end_is_found_whatever_the_split():
    block, rest = request("A: b"), b"body\r\n\r\n"
    for cut in range(len(block)):
        assert find_end(bytearray(block[:cut])) == -1
        buffer = bytearray(block + rest)
        assert find_end(buffer, cut) == len(block)


def test_empty_lines_before_the_request_line_are_dropped():
    block = request()
    buffer = bytearray(b"\r\n\r\n\r\n" + block)

    assert find_end(buffer) == len(block)
    assert buffer == block


@pytest.mark.parametrize(
    "start",
    [b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\rX", b"\x16\x03\x01", b"GET /\x00", b"\n", b"\r\r"],
)
def test_what_can_never_become_a_head_is_refused_at_once(start):
    with pytest.raises(BadMessage) as caught:
        find_end(bytearray(start))

    assert caught.value.code == "bad_request"


def test_a_head_over_32_kib_is_refused_complete_or_not():
    fit = request("A: " + "x" * (MAX_HEAD - len(request("A: "))))
    assert len(fit) == MAX_HEAD
    assert find_end(bytearray(fit)) == MAX_HEAD

    for buffer in (fit[:-4] + b"x\r\n\r\n", b"x" * (MAX_HEAD + 1)):
        with pytest.raises(BadMessage) as caught:
            find_end(bytearray(buffer))
        assert caught.value.code == "head_too_large"
