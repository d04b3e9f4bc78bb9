"""The request head, bytes in and a RequestHead out; strict RFC 9112, knows no socket."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from proxy.gateway import names

MAX_HEAD: Final = 32_768
MAX_FIELDS: Final = 100
MAX_LENGTH: Final = 2**53

METHODS: Final = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}
FORBIDDEN_METHODS: Final = frozenset((b"TRACE", b"CONNECT"))
ALLOW: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

# Possessive quantifiers throughout: a hostile head is refused in one pass, without backtracking.
TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
FIELD_LINE: Final = TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n"
FIELD_LINES: Final = re.compile(rb"(?:" + FIELD_LINE + rb")*+")
REQUEST: Final = re.compile(
    rb"(" + TOKEN + rb") ([\x21-\x7e]++) HTTP/1\.([01])\r\n"
    rb"((?:" + FIELD_LINE + rb")*+)\r\n"
)  # fmt: skip
# Only for lines that FIELD_LINE has accepted.
FIELD: Final = re.compile(rb"([^:]++):[\t ]*+([^\r]*+)\r\n")

ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*+)([^#]*+)", re.IGNORECASE)
# A name of unreserved characters, an IPv4 or a bracketed IPv6 address, and a port. Sub-delims and
# percent-encoding are legal in a reg-name, but no name in DNS has them and every trick does.
HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9._~\-]++|\[[0-9A-Fa-f:.]++(?:%25[A-Za-z0-9._~\-]++)?\])(?::[0-9]{1,5})?"
)

# A number, because "in" is ten times slower for bytes of length one.
UNDERSCORE: Final = 0x5F

Fields = list[tuple[bytes, bytes]]

SPECIAL: Final = frozenset(
    (b"host", b"content-length", b"transfer-encoding", b"connection", b"expect")
)
COMMON_LISTS: Final[dict[bytes, frozenset[bytes]]] = {
    b"": frozenset(),
    b"keep-alive": frozenset((b"keep-alive",)),
    b"close": frozenset((b"close",)),
}
LISTS: Final = frozenset((b"connection", b"expect"))


class BadMessage(Exception):
    """A message that must not be passed on; ``code`` is a key of errors.CODES.

    ``extra`` goes to problem.render(). After one of these the connection is closed.
    """

    def __init__(self, code: str, detail: str | None = None, **extra: Any) -> None:
        self.code = code
        self.detail = detail
        self.extra = extra
        super().__init__(f"{code}: {detail}")


@dataclass  # slots of dataclasses are not for the compiler
class RequestHead:
    """One request; everything is as received but for the names (lower case) and outer blanks."""

    method: bytes
    target: bytes  # origin-form: path?query
    path: bytes  # raw, no query
    query: bytes | None  # None without "?", b"" for a bare one
    version: int  # 10 | 11
    headers: Fields = field(repr=False)  # with the credential
    host: bytes  # b"" only on HTTP/1.0
    content_length: int | None
    chunked: bool
    keep_alive: bool
    expect_continue: bool  # the client waits for 100 before it sends its body
    nominated: frozenset[bytes]  # lower-case tokens of Connection

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.content_length)


def parse_request(block: bytes) -> RequestHead:
    """``block`` is one head with its final CRLFCRLF; raises BadMessage."""
    found = REQUEST.fullmatch(block)
    if found is None:
        raise BadMessage("bad_request", "The request line or a header field is malformed.")
    method, raw_target, minor, lines = found.groups()
    check_method(method)
    target = origin_form(raw_target)
    headers = parse_fields(lines)
    if doubtful := [name for name, _ in headers if UNDERSCORE in name]:
        refuse_underscores(doubtful)
    return read_head(method, target, 11 if minor == b"1" else 10, headers)


def read_head(method: bytes, target: bytes, version: int, headers: Fields) -> RequestHead:
    path, mark, query = target.partition(b"?")
    special = read_special(headers)
    length, chunked = framing(special, version)
    nominated = tokens(special.get(b"connection", b""))
    waits = b"expect" in special and expects(special[b"expect"], version)
    return RequestHead(
        method,
        target,
        path,
        query if mark else None,
        version,
        headers,
        host_of(special, version),
        length,
        chunked,
        keeps_alive(nominated, version),
        waits and (chunked or bool(length)),
        nominated,
    )


def parse_fields(lines: bytes) -> Fields:
    """Field lines that already match FIELD_LINES, as (lower-case name, value without OWS)."""
    found = FIELD.findall(lines)
    if len(found) > MAX_FIELDS:
        raise BadMessage("head_too_large", f"More than {MAX_FIELDS} header fields.")
    if b" \r" in lines or b"\t\r" in lines:
        return [(name.lower(), value.rstrip(b" \t")) for name, value in found]
    return [(name.lower(), value) for name, value in found]


def check_method(method: bytes) -> None:
    if method in METHODS:
        return
    if method in FORBIDDEN_METHODS:
        raise BadMessage("method_not_allowed", "This method is not carried.", allow=ALLOW)
    raise BadMessage("not_implemented", "The method is not known.")


def origin_form(target: bytes) -> bytes:
    """RFC 9112 §3.2: of the absolute form path and query count, its authority decides nothing."""
    if target.startswith(b"/") and b"#" not in target:
        return target
    found = ABSOLUTE.fullmatch(target)
    if found is None or not HOST.fullmatch(found[1]):
        raise BadMessage("bad_request", "The request target is malformed.")
    rest: bytes = found[2]
    return rest if rest.startswith(b"/") else b"/" + rest


def refuse_underscores(doubtful: list[bytes]) -> None:
    """CGI and WSGI read x_api_key as X-Api-Key: nobody may slip one past us that way (AUTH-04)."""
    for name in doubtful:
        dashed = name.replace(b"_", b"-")
        if dashed in names.CREDENTIALS:
            detail = "Header names with an underscore are not accepted."  # as check 1 says it
            raise BadMessage("ambiguous_credentials", detail)
        if names.is_guarded(dashed):
            raise BadMessage("bad_request", "A reserved field name has an underscore.")


def read_special(headers: Fields) -> dict[bytes, bytes]:
    """The fields that decide about framing; only the lists among them may be repeated."""
    special = dict(headers)
    if len(special) == len(headers):  # nothing is repeated: the others do no harm
        return special
    special = {}
    for name, value in headers:
        if name not in SPECIAL:
            continue
        if name not in special:
            special[name] = value
        elif name in LISTS:
            special[name] += b", " + value  # RFC 9110 §5.3
        else:
            raise BadMessage("bad_request", f"More than one {name.decode()} field.")
    return special


def framing(special: dict[bytes, bytes], version: int) -> tuple[int | None, bool]:
    """(Content-Length, chunked); whatever two readers could read differently is refused."""
    length = special.get(b"content-length")
    coding = special.get(b"transfer-encoding")
    if coding is not None:
        if length is not None or version == 10 or coding.lower() != b"chunked":
            raise BadMessage("bad_request", "The Transfer-Encoding is not acceptable.")
        return None, True
    if length is None:
        return None, False
    if not length.isdigit() or len(length) > 16 or int(length) > MAX_LENGTH:
        raise BadMessage("bad_request", "The Content-Length is not acceptable.")
    return int(length), False


def host_of(special: dict[bytes, bytes], version: int) -> bytes:
    host = special.get(b"host")
    if host is None and version == 10:
        return b""
    if host is None or not is_host(host):
        raise BadMessage("bad_request", "Exactly one valid Host field is required.")
    return host


@lru_cache(maxsize=1024)
def is_host(value: bytes) -> bool:
    """Of a few names that come with every request."""
    return HOST.fullmatch(value) is not None


def tokens(value: bytes) -> frozenset[bytes]:
    """The members of a comma list, lower case."""
    if (common := COMMON_LISTS.get(value)) is not None:
        return common
    return frozenset(part.strip(b" \t") for part in value.lower().split(b",")) - {b""}


def keeps_alive(nominated: frozenset[bytes], version: int) -> bool:
    if b"close" in nominated:
        return False
    return version == 11 or b"keep-alive" in nominated


def expects(value: bytes, version: int) -> bool:
    if value.lower() != b"100-continue":
        raise BadMessage("expectation_failed", "Only 100-continue can be expected.")
    return version == 11
