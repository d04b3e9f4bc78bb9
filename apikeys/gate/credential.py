"""Check 1: find the one credential of a request. Pure."""

from typing import Final, NamedTuple

from apikeys.gate.request import HeaderList
from momentry.common.veil import veils

NAMES: Final = frozenset({b"authorization", b"x-api-key", b"api-key"})
# Whatever CGI's rule makes one of these of.
UNDERSCORED: Final = frozenset({b"x_api_key", b"x_api-key", b"x-api_key", b"api_key"})
LOOKED_AT: Final = NAMES | UNDERSCORED


@veils("secret")
class Credential(NamedTuple):
    """``secret`` as text; ``header``: lower-case name of the field it came in."""

    secret: str
    header: bytes


class Ambiguous(NamedTuple):
    detail: str


def find_credential(headers: HeaderList) -> Credential | Ambiguous | None:
    """Exactly one field of exactly one name; ``None`` when there is none.

    Basic and other schemes of Authorization are no credential of ours, but beside a key they make
    the request ambiguous: two parties might each believe another one.
    """
    found = [field for field in headers if field[0] in LOOKED_AT]
    if not found:
        return None
    name, value = found[0]
    if len(found) > 1 or name in UNDERSCORED:
        return ambiguity(found)
    secret = bearer(value) if name == b"authorization" else value
    if secret is None:
        return None
    return one_secret(secret.strip(b" \t"), name)


def ambiguity(found: HeaderList) -> Ambiguous:
    if any(name in UNDERSCORED for name, _ in found):
        return Ambiguous("Header names with an underscore are not accepted.")
    return Ambiguous("Send the API key in exactly one header.")


def bearer(value: bytes) -> bytes | None:
    """The token of ``Bearer <token>``; None for another scheme. The scheme has no case."""
    scheme, _, token = value.strip(b" \t").partition(b" ")
    return token if scheme.lower() == b"bearer" else None


def one_secret(secret: bytes, header: bytes) -> Credential | Ambiguous | None:
    if not secret:
        return None
    if b"," in secret:
        return Ambiguous("A list of API keys is not accepted.")
    # Undecodable bytes stay distinct and match no key.
    return Credential(secret.decode("latin-1"), header)
