"""How an upstream's own credential is put on a request; made once per target, not per request."""

import dataclasses
import re
from base64 import b64encode
from typing import Final
from urllib.parse import quote, quote_plus, unquote_to_bytes

from proxy.gateway.head import TOKEN
from proxy.gateway.names import OURS, is_guarded

TEMPLATE: Final = re.compile(rb"(" + TOKEN + rb"):[\t ]*+([\x20-\x7e\x80-\xff]++)")
VALUE: Final = re.compile(rb"[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")
PLACE: Final = b"{credential}"
SHORTEST: Final = 8  # characters of a secret that is looked for
MAX_ROUNDS: Final = 16  # each costs a look for every spelling
ESCAPE: Final = re.compile(r"%[0-9A-F]{2}")


@dataclasses.dataclass(frozen=True, slots=True)
class Injection:
    """``line``: a whole field line or b"". ``parameter``: name=value for the query or b""."""

    line: bytes = dataclasses.field(default=b"", repr=False)
    field: bytes = b""  # its lower-case name: the client's own field of that name is removed
    parameter: bytes = dataclasses.field(default=b"", repr=False)
    parameter_name: bytes = b""  # decoded; the client's own parameters of that name are removed
    # How an upstream might write it in its answer, where no client may read it.
    spellings: tuple[bytes, ...] = dataclasses.field(default=(), repr=False)


NONE: Final = Injection()


def header(template: str, credential: str) -> Injection:
    """``template`` is like "Authorization: Bearer {credential}". Raises ValueError."""
    found = TEMPLATE.fullmatch(template.encode())
    if found is None or PLACE not in found[2]:
        raise ValueError("A header template reads 'Name: text {credential}'.")
    name, text = found.groups()
    value = text.replace(PLACE, credential.encode())
    if is_guarded(name.lower()) or name.lower().startswith(OURS):
        raise ValueError("The header template names a field that the gateway writes itself.")
    if not VALUE.fullmatch(value):
        raise ValueError("The credential holds a character that no header field may hold.")
    line = b"%b: %b\r\n" % (name, value)
    return Injection(line=line, field=name.lower(), spellings=texts(credential))


def basic(username: str, password: str) -> Injection:
    """RFC 7617. Raises ValueError for a colon in the name or a control character."""
    if ":" in username or any(ord(char) < 32 or ord(char) == 127 for char in username + password):
        raise ValueError("A Basic credential holds a character that it must not hold.")
    pair = b64encode(f"{username}:{password}".encode())
    return Injection(
        line=b"Authorization: Basic %b\r\n" % pair,
        field=b"authorization",
        spellings=texts(pair.decode(), f"{username}:{password}", password),
    )


def query_parameter(name: str, credential: str) -> Injection:
    """Appended last to the raw query, percent-encoded. Raises ValueError for an empty name."""
    if not name:
        raise ValueError("The query parameter needs a name.")
    pair = f"{quote(name, safe='')}={quote(credential, safe='')}"
    return Injection(
        parameter=pair.encode(),
        parameter_name=name.encode(),
        spellings=spellings(name, credential),
    )


def texts(*secrets: str) -> tuple[bytes, ...]:
    """The longest first; what is short may be a word of others."""
    long = [secret for secret in secrets if len(secret) >= SHORTEST]
    found = {said(text) for text in long for said in (str, quote, quote_plus)}
    return tuple(sorted((text.encode() for text in found), key=len, reverse=True))


def spellings(name: str, credential: str) -> tuple[bytes, ...]:
    """The longest first: none is left half."""
    values = {quote(credential, safe=""), quote(credential), quote_plus(credential), credential}
    pairs = {f"{said}={value}" for said in {quote(name, safe=""), name} for value in values}
    pairs |= {ESCAPE.sub(lambda found: found[0].lower(), pair) for pair in pairs}
    return tuple(sorted((pair.encode() for pair in pairs), key=len, reverse=True))


def withheld(value: bytes, own: tuple[bytes, ...]) -> bytes:
    """A field's value without the credential: a redirect may repeat the query it came in. What
    stood on both sides of it may make another one; b"" for what is made of them on purpose."""
    for _ in range(MAX_ROUNDS):
        found = next((each for each in own if each in value), None)
        if found is None:
            return value
        for text in (b"&" + found, found + b"&", found):
            value = value.replace(text, b"")
    return b""


def inject_query(query: bytes | None, injection: Injection) -> bytes | None:
    """The query to send; byte-exact but for the one parameter.

    A client's parameters of the same name, in any encoding, are removed: which of two an upstream
    reads is its own affair, and it must read ours.
    """
    if not injection.parameter:
        return query
    kept = [
        part
        for part in (query or b"").split(b"&")
        if part and not names_parameter(part, injection.parameter_name)
    ]
    return b"&".join([*kept, injection.parameter])


def names_parameter(part: bytes, wanted: bytes) -> bool:
    """Old readers also split at ";": any piece of that name condemns the whole part."""
    pieces = (piece.partition(b"=")[0] for piece in part.split(b";"))
    return any(unquote_to_bytes(name.replace(b"+", b" ")) == wanted for name in pieces)
