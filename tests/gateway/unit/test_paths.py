"""Which door a path leads to, and that no encoding leads through another one (PRX-07, PRX-08)."""

import pytest

from proxy.gateway.head import BadMessage
from proxy.gateway.paths import Kind, Route, classify
from tests.gateway.unit.heads import parsed


def route(path: str) -> Route:
    return classify(parsed(line=f"GET {path} HTTP/1.1"))


def refused(path: str) -> str:
    try:
        route(path)
    except BadMessage as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/healthz", Kind.HEALTH),
        ("/readyz", Kind.READY),
        ("/metrics", Kind.METRICS),
        ("/metrics?x=/proxy/a", Kind.METRICS),
        ("/auth/verify", Kind.VERIFY),
        ("/auth/verify?dialect=nginx", Kind.VERIFY),
        ("/auth/%76erify", Kind.VERIFY),
        ("/auth/verify/", Kind.VERIFY),
        ("/auth/verify/envoy/echo/a", Kind.VERIFY),
        ("/auth/verify/anything", Kind.VERIFY),
        ("/auth/verifyx", Kind.OPEN),
        ("/api/v1/keys/verify", Kind.KEYS_VERIFY),
        ("/api/v1/keys/verif%79/", Kind.KEYS_VERIFY),
        ("/api/v1/me", Kind.API),
        ("/%61pi/v1/me", Kind.API),
        ("/api%2Fv1%2fme", Kind.API),
        ("/api/v1", Kind.API),
        ("/api/v1/", Kind.API),
        ("/api/v1/webhook", Kind.API),
        ("/api/v1/hooks/sftpgo", Kind.API),
        ("/api/v1/webhooks/wordpress", Kind.OPEN),
        ("/api/v1/webhooks%2Fwordpress", Kind.OPEN),
        ("/%2561pi/v1/me", Kind.OPEN),
        ("/api/docs/", Kind.OPEN),
        ("/api/v10/x", Kind.OPEN),
        ("/API/v1/me", Kind.OPEN),
        ("//api/v1/me", Kind.OPEN),
        ("/admin/", Kind.OPEN),
        ("/", Kind.OPEN),
        ("/proxyx", Kind.OPEN),
        ("/x/../proxy/echo/a", Kind.OPEN),
        ("/v1/models", Kind.V1),
        ("/v1", Kind.V1),
    ],
)
def test_paths_are_classified_as_django_will_read_them(path, kind):
    assert route(path).kind is kind


@pytest.mark.parametrize(
    ("path", "slug", "rest"),
    [
        ("/proxy/echo", b"echo", b"/"),
        ("/proxy/echo/", b"echo", b"/"),
        ("/proxy/echo?x", b"echo", b"/"),
        ("/proxy/a-1/v1/chat/completions", b"a-1", b"/v1/chat/completions"),
        ("/proxy/0" + "a" * 59, b"0" + b"a" * 59, b"/"),
        ("/proxy/echo/a%2Fb%20c%C3%A4?x=../..", b"echo", b"/a%2Fb%20c%C3%A4"),
        ("/proxy/echo/100%25", b"echo", b"/100%25"),
        ("/proxy/echo/a%3Fb%23c%25%2Fd", b"echo", b"/a%3Fb%23c%25%2Fd"),
        ("/proxy/echo/a;b=c/d", b"echo", b"/a;b=c/d"),
        ("/proxy/echo/...", b"echo", b"/..."),
        ("/proxy/echo/.well-known/..a/a..b", b"echo", b"/.well-known/..a/a..b"),
        ("/proxy/echo/files/:id@2x,'(a)*$!&+=~", b"echo", b"/files/:id@2x,'(a)*$!&+=~"),
        ('/proxy/echo/{"a"}|^[b]', b"echo", b'/{"a"}|^[b]'),
        ("/proxy/echo/%E2%82%AC%F0%9F%98%80", b"echo", b"/%E2%82%AC%F0%9F%98%80"),
    ],
)
def test_what_goes_to_an_upstream_stays_byte_exact(path, slug, rest):
    assert route(path) == Route(Kind.PROXY, slug, rest)


@pytest.mark.parametrize(
    "rest",
    [
        "..",
        ".",
        "../x",
        "a/../b",
        "a/./b",
        "a/..",
        "%2e%2e/x",
        "%2E./x",
        ".%2e",
        "a%2f..%2fb",
        "%2f..",
        "%252e%252e/x",
        "%25252e%25252e/x",
        "%2525252e%2525252e",
        "%25%32%65%25%32%65/x",
        "..;/x",
        "..;a=b/x",
        "..%3b/x",
        "..%253b/x",
        "..%20/x",
        "..%3fx",
        "..%23",
        "a//b",
        "/b",
        "a/%2fb",
        "a%2f%2Fb",
        "a%252f%252fb",
        "a/;x/b",
        "a\\b",
        "..\\x",
        "a%5cb",
        "a%255Cb",
        "%00",
        "a%0d%0aX:y",
        "a%250a",
        "%7f",
        "a%",
        "a%2",
        "a%zz",
        "a%u002e",
        "%c0%ae%c0%ae/x",
        "%c0%af",
        "%e0%80%af",
        "..%f0%80%80%afx",
        "%f8%80%80%80%ae%f8%80%80%80%ae/x",
        "%fc%80%80%80%80%af",
        "a%25252525252525",
    ],
)
def test_what_an_upstream_could_resolve_otherwise_is_refused(rest):
    assert refused(f"/proxy/echo/{rest}") == "path_refused"


@pytest.mark.parametrize("path", ["/%761/models", "/v%31/models", "/%76%31", "/v1%2fmodels"])
def test_v1_is_written_plainly(path):
    assert refused(path) == "path_refused"


@pytest.mark.parametrize("rest", ["/a%2Fb%20c", "/chat/completions", "", "/"])
def test_v1_goes_on_as_it_came(rest):
    assert route(f"/v1{rest}?x=..") == Route(Kind.V1, b"", f"/v1{rest}".encode())


@pytest.mark.parametrize("rest", ["../x", "a/../b", "%2e%2e/x", "/b", "a\\b", "%00", "a%zz"])
def test_v1_is_as_strict(rest):
    assert refused(f"/v1/{rest}") == "path_refused"


def test_encoding_is_followed_five_levels_deep_and_no_further():
    assert refused("/proxy/echo/%" + "25" * 4 + "41") == ""
    assert refused("/proxy/echo/%" + "25" * 5 + "41") == "path_refused"


@pytest.mark.parametrize(
    "path",
    [
        "/%70roxy/echo/x",
        "/proxy%2Fecho/x",
        "/%70roxy",
        "/prox%79/",
        "/proxy/%65cho/x",
        "/proxy/echo%2fx",
        "/proxy/../admin/",
        "/proxy/./echo/x",
        "/proxy//echo/x",
        "/proxy/echo;a/x",
        "/proxy/echo\\x",
        "/proxy/echo.x/",
    ],
)
def test_an_upstreams_name_must_be_written_plainly(path):
    assert refused(path) == "path_refused"


@pytest.mark.parametrize(
    "path",
    ["/proxy", "/proxy/", "/proxy/Echo/x", "/proxy/-a", "/proxy/a_b/x", "/proxy/" + "a" * 61],
)
def test_what_is_no_slug_is_an_unknown_upstream(path):
    assert refused(path) == "upstream_unknown"


def test_a_long_path_of_nested_escapes_is_refused_before_it_costs():
    assert refused("/proxy/echo/" + "%2541" * 1000) == ""
    assert refused("/proxy/echo/" + "%2541" * 1001) == "path_refused"
