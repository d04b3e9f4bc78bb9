"""Fuzz target: the one credential of a request, and the key that its text is.

The input is field lines. A text is also read with the checksum that it would need: nobody's
mutants have that by themselves.
"""

import binascii
import re
from uuid import UUID

from apikeys import keyformat
from apikeys.gate.credential import Ambiguous, Credential, find_credential
from proxy.gateway.head import Fields
from tests.gateway.fuzz.ours import CREDENTIALS, plain

DIGITS = "0123456789"
LOWER = "abcdefghijklmnopqrstuvwxyz"
ALPHABET = DIGITS + LOWER.upper() + LOWER
BODY = f"muser_{UUID(int=7 << 64).hex}_tro8w0_{'0aZ' * 14}x_SShIyS".encode()
KEY = BODY.decode() + keyformat.checksum(BODY.decode())
AMBIGUOUS = "ambiguous"

SEEDS = [
    b"Authorization: Bearer " + KEY.encode(),
    b"X-API-Key: \t" + BODY + b" ",
    b"Host: a\nAPI-Key: mtrial" + BODY[5:] + b"\nX: y",
    b"authorization: bEARER  msvc" + BODY[5:-20] + b"\t",
    b"Authorization: Basic eDp5\nX-Api-Key: madm" + BODY[5:],
    b"X_Api_Key: " + BODY,
    b"X-Api-Key: " + BODY.replace(b"_tro8w0_", b"_123456789_"),
    b"X-Api-Key: " + BODY.replace(b"_tro8w0_", b"_12345678_"),
    b"Authorization: Bearer a, Bearer b",
    b"Authorization: Bearer\tx\nAuthorization:",
    b"api-key:\xa0k\xff",
]
TOKENS = [
    b"\nAuthorization: Bearer ", b"\nX-Api-Key: ", b"\napi-key: ", b"\napi_key: ", b"Bearer ",
    b"bearer\t", b"muser_", b"mtrial_", b"msvc_", b"madm_", b"0" * 32, b"_zzzzzzzz_",
    b"_zzzzzzzzz_", b"z" * 43, BODY,
]  # fmt: skip


def check(data: bytes) -> None:
    headers = read_lines(data)
    found = find_credential(headers)
    told = AMBIGUOUS if isinstance(found, Ambiguous) else found
    assert told == meant(headers)
    check_beside_others(headers, found)
    if not isinstance(found, Credential):
        return
    assert found.secret not in repr(found) or len(found.secret) < 30
    for text in (found.secret, with_checksum(found.secret), with_checksum(found.secret[:-6])):
        check_key(text)


def read_lines(data: bytes) -> Fields:
    """As parse_request gives them: names in lower case, no blanks around values."""
    fields = []
    for line in data.replace(b"\r", b"").split(b"\n"):
        name, _, value = line.partition(b":")
        fields.append((name.lower(), value.strip(b" \t")))
    return fields


def meant(headers: Fields) -> tuple[str, bytes] | str | None:
    """AUTH-03, AUTH-04 once more."""
    spelt = [(name, value) for name, value in headers if plain(name) in CREDENTIALS]
    if not spelt:
        return None
    name, value = spelt[0]
    if len(spelt) > 1 or name not in CREDENTIALS:
        return AMBIGUOUS
    if name == b"authorization":
        bearer = re.fullmatch(rb"bearer(?: (.*))?", value, re.IGNORECASE | re.DOTALL)
        value = (bearer[1] or b"").strip(b" \t") if bearer else b""
    if b"," in value:
        return AMBIGUOUS
    return (value.decode("latin-1"), name) if value else None


def check_beside_others(headers: Fields, found: Credential | Ambiguous | None) -> None:
    """Fields that name no credential change nothing; a second that does is one too many."""
    other = (b"x-other", b"Bearer " + KEY.encode())
    assert find_credential([other, *headers, other]) == found
    if found is not None:
        for name in (*CREDENTIALS, b"x_api-key"):
            both = [(name, b"Bearer k"), *headers]
            assert isinstance(find_credential(both), Ambiguous)
            assert isinstance(find_credential(both[::-1]), Ambiguous)


def with_checksum(body: str) -> str:
    number, text = binascii.crc32(body.encode("latin-1")), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        text = ALPHABET[digit] + text
    return body + text


def check_key(text: str) -> None:
    parsed = keyformat.parse(text)
    assert parsed == parsed_again(text)
    if parsed is None:
        return
    prefix, key_id = parsed
    assert key_id.hex[8:] not in keyformat.mask(prefix, key_id)
    mutants = {text + "0", text[:-1], text + "\n", " " + text, text.swapcase(), text + "\0"}
    for place, old in enumerate(text):
        new = ALPHABET[(ALPHABET.find(old) + 1 + place) % 62]
        mutants |= {text[:place] + other + text[place + 1 :] for other in (new, "_", "\xb2")}
    for mutant in mutants - {text}:
        assert keyformat.parse(mutant) is None, mutant


def parsed_again(text: str) -> tuple[str, UUID] | None:
    """The layout of keyformat's docstring, part by part."""
    parts = text.split("_")
    if len(parts) != 5 or len(parts[4]) != 12:
        return None
    prefix, key_id, stamp, random, tail = parts
    lengths = len(key_id) == 32 and 1 <= len(stamp) <= 8 and len(random) == 43
    digits = (
        set(key_id) <= {*DIGITS, *LOWER[:6]}
        and set(stamp) <= {*DIGITS, *LOWER}
        and set(random + tail) <= {*ALPHABET}
    )
    if prefix not in {"muser", "mtrial", "msvc", "madm"} or not lengths or not digits:
        return None
    if with_checksum(text[:-6]) != text:
        return None
    return prefix, UUID(bytes=bytes.fromhex(key_id))
