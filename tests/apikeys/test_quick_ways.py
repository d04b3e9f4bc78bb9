"""Where the gate has a quick way beside a plain one, both say the same."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeys import keyformat
from apikeys.digest import hmac_sha256
from apikeys.gate.memory import KeyMemory
from apikeys.gate.question import BadQuestion, Question, read, read_any
from apikeys.gate.report import render, report
from apikeys.gate.snapshot import Window
from apikeys.gate.verdict import Limit, Verdict
from tests.apikeys.judged import KEY_ID, NOW, QUOTA

BLANKS = st.text(" \t\n\r", max_size=3)
TEXTS = st.text(st.characters(max_codepoint=0x2FF), max_size=20) | st.just("x" * 1025)
LITERALS = st.one_of(
    TEXTS.map(json.dumps), TEXTS.map(lambda text: f'"{text}"'), st.sampled_from(["1", "null", ""])
)


@st.composite
def bodies(draw):
    name = draw(st.sampled_from(['"key"', '"k\\u0065y"', '"Key"', "key", '"key" "key"']))
    tail = draw(st.sampled_from(["", "", "", ',"cost":1', ',"key":"b"', ",", "}", "\ufeff"]))
    blank = [draw(BLANKS) for _ in range(6)]
    text = f"{blank[0]}{{{blank[1]}{name}{blank[2]}:{blank[3]}{draw(LITERALS)}{tail}{blank[4]}}}"
    return (text + blank[5]).encode()


def outcome(reader, *given):
    try:
        return tuple(reader(*given))
    except BadQuestion as error:
        return error.code, error.detail, error.errors


@given(bodies() | st.binary(max_size=40))
def test_a_plain_body_is_read_as_any_other(body):
    assert outcome(read, "application/json", body) == outcome(read_any, body)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_hmac_is_the_librarys(key, text):
    assert hmac_sha256(key, text) == hmac.digest(key, text, hashlib.sha256)


@given(st.text(keyformat.BASE62 + "_", max_size=120))
def test_a_checksum_is_base62_of_the_crc(text):
    number = keyformat.zlib.crc32(text.encode())

    assert keyformat.checksum(text) == keyformat.base62(number, 6)


QUOTA_LIMIT = Limit("monthly", "requests", 10, 4, NOW, 86400)
WINDOW_LIMIT = Limit("key-second", "requests", 5, 4, None, 1)


@pytest.mark.parametrize("explain", [False, True])
@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(True, key_id=KEY_ID),
        Verdict(True, key_id=KEY_ID, limits=(QUOTA_LIMIT, WINDOW_LIMIT)),
        Verdict(False, "quota_exceeded", limits=(QUOTA_LIMIT,)),
        Verdict(False, "key_revoked"),
    ],
)
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"metadata": {"ü": ["\u2028", None]}, "username": "Zoë", "scopes": frozenset({"b", "a"})},
        {"quotas": (QUOTA._replace(subject=f"member:{KEY_ID.hex}"),), "member_id": None},
        {"windows": tuple(Window("member:1", name, 1) for name in ("second", "minute"))},
    ],
)
def test_a_kept_report_is_the_report(snapshot, change, verdict, explain):
    memory = KeyMemory(3, 300.0)
    memory.put(snapshot._replace(**change), 0.0)
    question = Question("key", explain=explain)

    for _ in range(2):
        key = memory.get(KEY_ID, 1.0, NOW)
        document = json.dumps(
            report(question, verdict, key), ensure_ascii=False, separators=(",", ":")
        )
        assert render(question, verdict, key) == document.encode()


def test_nothing_is_kept_of_what_was_read_before(snapshot):
    memory = KeyMemory(3, 300.0)
    question, verdict = Question("key"), Verdict(True, key_id=KEY_ID)
    for name in ("before", "after"):
        memory.put(snapshot._replace(username=name), 0.0)
        key = memory.get(KEY_ID, 1.0, NOW)

        assert json.loads(render(question, verdict, key))["owner"]["username"] == name


def test_nothing_is_told_of_a_key_that_was_not_proven():
    question, verdict = Question("key"), Verdict(False, "invalid_key")

    assert json.loads(render(question, verdict, None)) == report(question, verdict, None)


def test_every_time_goes_into_the_snapshot_alone(snapshot):
    later = NOW.replace(year=NOW.year + 1)

    assert snapshot.at(later) == snapshot._replace(now=later)
