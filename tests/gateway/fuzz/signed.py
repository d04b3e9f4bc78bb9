"""Fuzz target: what was signed here and comes back, the decision for Django and a hold.

The first byte chooses which, and whether the rest stands as it is or is a document signed by us,
as another version might write it.
"""

import base64
import json
from datetime import UTC, datetime
from uuid import UUID

from apikeys.gate import decision, sealed
from apikeys.gate.decision import Decision, InvalidDecision
from apikeys.gate.sealed import InvalidHold, SealedHold
from apikeys.gate.verdict import Charge, Entry, Limit, Verdict

SECRET, OLDER = b"k" * 32, b"o" * 32
HOLDS, OURS, UNPADDED = 1, 2, 4
NOW = 1_795_232_115.0
METHOD, TARGET, CALLER = "GET", "/api/v1/me?x=1", "key:" + "a" * 32
MOMENT = datetime(2026, 12, 1, tzinfo=UTC)
CHARGE = Charge("member:6", "requests", "month", MOMENT, 1)
LIMITS = (
    Limit("monthly", "requests", 10, 9, MOMENT, 86400),
    Limit("concurrent", "concurrent-requests", 5, 4, None, 0),
)
VERDICT = Verdict(
    ok=True,
    actor="key",
    key_id=UUID(int=5),
    member_id=UUID(int=6),
    key_type="user",
    scopes=frozenset({"proxy:use"}),
    charges=(CHARGE,),
    limits=LIMITS,
    entry=Entry((), 1, ("", ""), "", shared=True),
)
DECISION = Decision("01a1fcc1-8c47", NOW, METHOD, TARGET, "192.0.2.1", VERDICT)
HOLD = SealedHold(UUID(int=7), CALLER, UUID(int=8), MOMENT, (CHARGE, CHARGE))
SIGNED = decision.sign(DECISION, SECRET)
SEALED = sealed.seal(HOLD, SECRET).encode()
DOCUMENTS = [
    json.dumps(decision.to_json(DECISION)).encode(),
    json.dumps(sealed.to_json(HOLD)).encode(),
]

SEEDS = [
    b"\x00" + SIGNED,
    b"\x01" + SEALED,
    b"\x02" + DOCUMENTS[0],
    b"\x03" + DOCUMENTS[1],
    b"\x06" + DOCUMENTS[0],
    b"\x02" + DOCUMENTS[1],
    b"\x03" + DOCUMENTS[0],
    b"\x02" + DOCUMENTS[0].replace(b"[1, 2]", b"[1, 9007199254740993]"),
    b"\x02" + DOCUMENTS[0].replace(b"1795232115.0", b'"1795232115.0"'),
    b"\x03" + DOCUMENTS[1].replace(b"1796083200.0", b"179608320000000000"),
    b"\x03" + DOCUMENTS[1].replace(b'"00000000000000000000000000000007"', b"7"),
    b"\x02[[]]",
    b"\x03null",
]
TOKENS = [
    b"v1.", b"h1.", b".", b"=", b"==", b"-_", b'"iat":', b'"chg":', b'"lim":', b'"ent":', b'"end":',
    b"1e400", b"-1e400", b"NaN", b"1e18", b"null", b"true", b"[]", b"{}", b"[[]]", b'""', b"0",
    b'"\\ud800"', b"[" * 2000, b'"2026-12-01"', b"9" * 400, b"9" * 5000,
]  # fmt: skip


def check(data: bytes) -> None:
    choice, text = data[0] if data else 0, data[1:]
    if choice & OURS:
        version = b"h1" if choice & HOLDS else b"v1"
        text = signed(version, base64.urlsafe_b64encode(text), padded=not choice & UNPADDED)
    if choice & HOLDS:
        check_hold(text.decode("latin-1"), ours=bool(choice & OURS))
    else:
        check_decision(text.decode("latin-1"), ours=bool(choice & OURS))


def signed(version: bytes, payload: bytes, *, padded: bool) -> bytes:
    payload = payload if padded else payload.rstrip(b"=")
    return b".".join((version, payload, sealed.signature_of(payload, SECRET)))


def check_decision(text: str, *, ours: bool) -> None:
    found = read_decision(text)
    if found is None:
        assert text.encode("latin-1") != SIGNED
        return
    assert ours or text.encode("latin-1") == SIGNED
    assert (found.method, found.target) == (METHOD, decision.fingerprint(TARGET))
    assert abs(NOW - found.issued_at) <= decision.LIFETIME_SECONDS
    assert found.verdict.ok
    assert read_decision(text, "POST") is None
    assert read_decision(text, target="/") is None
    for seconds in (-11, 11):
        assert read_decision(text, now=NOW + seconds) is None
    check_every_other(text, found)


def check_every_other(text: str, found: Decision) -> None:
    """No character may be another one, and no other secret made it."""
    assert read_decision(text, secret=OLDER) is None
    for place in {0, 1, 2, len(text) // 2, len(text) - 44, len(text) - 2, len(text) - 1}:
        other = "A" if text[place] != "A" else "B"
        assert read_decision(text[:place] + other + text[place + 1 :]) is None
    for mutant in (text + "=", text + "A", text[:-1], " " + text, text + "\n", text + "."):
        assert read_decision(mutant) is None
    if text.encode("latin-1") == SIGNED:
        assert found == DECISION._replace(target=decision.fingerprint(TARGET))


def read_decision(
    text: str,
    method: str = METHOD,
    target: str = TARGET,
    now: float = NOW,
    secret: bytes = SECRET,
) -> Decision | None:
    try:
        return decision.verify(text, secret, method=method, target=target, now=now)
    except InvalidDecision:
        return None


def check_hold(text: str, *, ours: bool) -> None:
    found = read_hold(text)
    if found is None:
        assert text.encode("latin-1") != SEALED
        return
    assert ours or text.encode("latin-1") == SEALED
    assert found.caller == CALLER
    assert found.ends_at.tzinfo is UTC
    assert read_hold(text, "key:" + "b" * 32) is None
    assert read_hold(text, secrets=(OLDER,)) is None
    assert read_hold(text, secrets=(OLDER, SECRET)) == found
    for mutant in (text + "=", text[:-1], " " + text, "h2" + text[2:], text[:9] + "." + text[9:]):
        assert read_hold(mutant) is None


def read_hold(
    text: str, caller: str = CALLER, secrets: tuple[bytes, ...] = (SECRET,)
) -> SealedHold | None:
    try:
        return sealed.unseal(text, secrets, caller=caller)
    except InvalidHold:
        return None
