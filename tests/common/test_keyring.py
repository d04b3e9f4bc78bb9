"""The key ring: what it refuses to be made of, and that an envelope opens in one place only."""

import base64
import os
import pickle
import subprocess
import sys
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from momentry.common.crypto.errors import (
    EnvelopeError,
    TamperedError,
    UnknownKeyError,
    WrongRowError,
)
from momentry.common.crypto.generate import KINDS, generate, main
from momentry.common.crypto.keyring import KeyRing, get_ring
from momentry.common.env import ConfigurationError
from momentry.common.ids import uuid7

OLD, NEW = generate("encryption-key"), generate("encryption-key")
ROW = uuid7()
PLACE = {"table": "proxy_target", "column": "credential"}


def coded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


BAD = {
    "missing": "",
    "only a comma": " , ",
    "words": "not base64 at all",
    "no padding": coded(os.urandom(32))[:-1],
    "standard base64": "+/" + coded(os.urandom(32))[2:],
    "31 bytes": coded(os.urandom(31)),
    "33 bytes": coded(os.urandom(33)),
    "zeros": coded(bytes(32)),
    "one byte": coded(b"\xa7" * 32),
    "counted": coded(bytes(range(32))),
    "a passphrase": coded(b"correct horse battery staple 123"),
    "twice": f"{OLD},{OLD}",
    "one bad": f"{OLD},rubbish",
    "semicolon": f"{OLD};{NEW}",
    "not ASCII": "ключ",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_if_the_key_is_missing_or_bad_then_the_error_names_the_variable_only(text: str) -> None:
    """ENC-01."""
    with pytest.raises(ConfigurationError) as raised:
        KeyRing.from_text(text)

    assert raised.value.variable == "ENCRYPTION_KEY"
    assert "ENCRYPTION_KEY" in str(raised.value)
    for word in filter(None, text.replace(";", ",").split(",")):
        assert word.strip() == "" or word.strip() not in str(raised.value)
    assert raised.value.__cause__ is None


def test_the_ring_is_read_from_the_environment_once(monkeypatch: pytest.MonkeyPatch) -> None:
    get_ring.cache_clear()
    monkeypatch.setenv("ENCRYPTION_KEY", f"{NEW}, {OLD}")
    ring = get_ring()
    monkeypatch.setenv("ENCRYPTION_KEY", OLD)

    assert get_ring() is ring
    assert ring.ids == (KeyRing.from_text(NEW).newest, KeyRing.from_text(OLD).newest)

    get_ring.cache_clear()


@given(text=st.text(st.characters(exclude_categories=["Cs"])), row=st.uuids())
def test_what_was_sealed_opens_in_its_row(text: str, row: UUID) -> None:
    ring = KeyRing.from_text(OLD)

    envelope = ring.seal(text, **PLACE, row_id=row)

    assert ring.open(envelope, **PLACE, row_id=row) == text
    assert len(text) < 8 or text not in envelope


def test_if_the_envelope_is_moved_then_it_does_not_open() -> None:
    """ENC-06."""
    ring = KeyRing.from_text(OLD)
    envelope = ring.seal("s3cret", **PLACE, row_id=ROW)

    with pytest.raises(WrongRowError):
        ring.open(envelope, **PLACE, row_id=uuid7())
    with pytest.raises(TamperedError):
        ring.open(envelope, table="proxy_target", column="other", row_id=ROW)
    with pytest.raises(TamperedError):
        ring.open(envelope, table="accounts_site", column="credential", row_id=ROW)


def test_a_row_id_and_a_text_cannot_be_shifted_into_each_other() -> None:
    """ENC-06: the id has a length, so ("1", "23") is not ("12", "3")."""
    ring = KeyRing.from_text(OLD)

    with pytest.raises(WrongRowError):
        ring.open(ring.seal("23", **PLACE, row_id="1"), **PLACE, row_id="12")


@given(data=st.data())
def test_no_altered_envelope_opens(data: st.DataObject) -> None:
    """ENC-07."""
    ring = KeyRing.from_text(f"{OLD},{NEW}")
    envelope = ring.seal("s3cret", **PLACE, row_id=ROW)
    at = data.draw(st.integers(0, len(envelope) - 1))
    swap = st.sampled_from("AQgwBZaz09-_.=\n é\0").filter(lambda c: c != envelope[at])
    mutant = data.draw(
        st.sampled_from([envelope[:at], envelope[:at] + envelope[at + 1 :], envelope + "="])
        | swap.map(lambda c: envelope[:at] + c + envelope[at + 1 :])
        | swap.map(lambda c: envelope[:at] + c + envelope[at:]).filter(lambda m: m != envelope)
    )

    with pytest.raises(EnvelopeError):
        ring.open(mutant, **PLACE, row_id=ROW)


@given(text=st.text() | st.binary().map(lambda raw: "m1.AAAAAAAA." + coded(raw)))
def test_forged_text_never_opens(text: str) -> None:
    """ENC-07: nor does it raise anything but EnvelopeError."""
    ring = KeyRing.from_text(OLD)
    forged = text.replace("AAAAAAAA", ring.newest)

    with pytest.raises(EnvelopeError):
        ring.open(forged, **PLACE, row_id=ROW)


def test_rotation_old_envelopes_open_and_new_ones_use_the_newest_key() -> None:
    """ENC-03."""
    before = KeyRing.from_text(OLD).seal("s3cret", **PLACE, row_id=ROW)
    ring = KeyRing.from_text(f"{NEW},{OLD}")
    after = ring.seal("s3cret", **PLACE, row_id=ROW)

    assert ring.open(before, **PLACE, row_id=ROW) == "s3cret"
    assert (ring.is_current(before), ring.is_current(after)) == (False, True)
    with pytest.raises(UnknownKeyError):
        KeyRing.from_text(OLD).open(after, **PLACE, row_id=ROW)


def test_derived_keys_differ_by_purpose_and_key_and_reveal_neither() -> None:
    ring = KeyRing.from_text(f"{NEW},{OLD}")

    assert ring.derive("claim") == ring.derive_all("claim")[0]
    assert ring.derive_all("claim")[1] == KeyRing.from_text(OLD).derive("claim")
    assert len({ring.derive("claim"), ring.derive("decision"), *ring.derive_all("claim")}) == 3
    assert len(ring.derive("claim")) == 32
    with pytest.raises(ValueError, match="NUL"):
        ring.derive("claim\0x")


def test_a_ring_shows_ids_only_and_is_never_pickled() -> None:
    ring = KeyRing.from_text(f"{NEW},{OLD}")

    assert repr(ring) == f"<KeyRing {', '.join(ring.ids)}>"
    with pytest.raises(TypeError):
        pickle.dumps(ring)


def test_errors_name_the_place_and_hold_neither_text_nor_envelope() -> None:
    ring = KeyRing.from_text(OLD)
    envelope = ring.seal("s3cret", **PLACE, row_id=ROW)

    with pytest.raises(EnvelopeError) as raised:
        ring.open(envelope[:-3] + "AAA", **PLACE, row_id=ROW)

    assert "proxy_target.credential" in str(raised.value)
    assert envelope[12:40] not in str(raised.value)
    assert raised.value.__cause__ is None


GATEWAY = """
import sys
from momentry.common.crypto.keyring import get_ring
ring = get_ring()
place = {"table": "t", "column": "c", "row_id": 7}
print(ring.open(sys.argv[1] or ring.seal("text", **place), **place))
assert not {"momentry.settings", "django.db", "django.apps.registry"} & set(sys.modules)
"""


def in_a_process_without_django(secret_key: str, envelope: str = "") -> str:
    variables = {
        **os.environ,
        "ENCRYPTION_KEY": OLD,
        "SECRET_KEY": secret_key,
        "DJANGO_SETTINGS_MODULE": "momentry.settings",
    }
    command = [sys.executable, "-W", "error", "-c", GATEWAY, envelope]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return result.stdout.strip()


def test_it_works_without_django_and_without_our_settings() -> None:
    assert in_a_process_without_django("") == "text"


def test_a_changed_secret_key_harms_nothing() -> None:
    """ENC-04: sealed here under one SECRET_KEY, opened there under another."""
    envelope = KeyRing.from_text(OLD).seal("text", table="t", column="c", row_id=7)

    assert in_a_process_without_django("another" * 8, envelope) == "text"


def test_each_generated_secret_is_new_and_fits_its_setting() -> None:
    for kind in KINDS:
        assert generate(kind) != generate(kind)

    assert KeyRing.from_text(generate("encryption-key")).ids
    assert generate("pepper", number=7).startswith("7:")
    assert len(generate("admin-token")) >= 32
    assert len(generate("secret-key")) >= 50
    assert len(base64.b64decode(generate("webhook-secret").removeprefix("whsec_"))) == 32


def test_generate_secret_prints_the_value_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pepper", "--number", "3"]) == 0

    number, _, key = capsys.readouterr().out.strip().partition(":")
    assert number == "3"
    assert KeyRing.from_text(key).ids


@pytest.mark.parametrize("arguments", [[], ["password"], ["pepper", "--number", "0"]])
def test_if_the_kind_is_unknown_then_it_says_so(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)


def test_generating_needs_the_standard_library_only() -> None:
    code = (
        "import sys; from momentry.common.crypto.generate import main; main(['pepper']);"
        "print({'django', 'cryptography', 'structlog'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = ['.']; {code}"],
        env={},
        check=True,
        capture_output=True,
        text=True,
    )

    assert done.stdout.splitlines()[-1] == "set()"
