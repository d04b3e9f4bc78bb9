"""AUTH-11: no secret, digest or upstream's credential in a repr, a format or a fixture."""

import json

import pytest
from django.core import serializers
from django.core.management import CommandError, call_command
from django.forms.models import model_to_dict
from django.utils import timezone

from apikeys import phc
from apikeys.gate.credential import Credential
from apikeys.gate.opening import Opened
from apikeys.gate.proofs import Proof
from apikeys.gate.question import Question
from apikeys.models import ApiKey, ForeignSecret, RetiredSecret
from apikeys.services.bulk.hashes import ForeignHash
from events.mail import Letter
from momentry.common.env import Environment
from momentry.supervisor.announce import Announcement
from momentry.supervisor.child import Spec
from momentry.supervisor.postgres import Options
from momentry.supervisor.prepared import Prepared
from proxy.gateway import injection
from proxy.gateway.head import parse_request
from proxy.gateway.settings import read_settings
from tests import make
from tests.apikeys.stored import argon2id, imported

SECRET = "hunter2hunter2"
HEAD = f"GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: {SECRET}\r\n\r\n".encode()


def test_no_repr_shows_a_secret(snapshot, tmp_path):
    key = snapshot._replace(digests=(SECRET,))
    told = [
        Credential(SECRET, b"x-api-key"),
        key,
        Opened(key, SECRET),
        Proof(key.key_id, SECRET),
        Question(SECRET),
        ForeignHash("sk-", "text:sk-12345", SECRET, "#"),
        Letter("Welcome", SECRET),
        Prepared(SECRET, True),
        Options(SECRET, environment={"A": SECRET}),
        Spec("db", ("db",), tmp_path, {"A": SECRET}),
        Announcement(1.0, "http://a", "admin", SECRET, SECRET, False, "token", tmp_path, 1),
        parse_request(HEAD),
        injection.header("Authorization: Bearer {credential}", SECRET),
        injection.query_parameter("key", SECRET),
        read_settings(Environment({
            "DATABASE_URL": f"postgresql://a:{SECRET}@h/d", "REDIS_URL": f"redis://:{SECRET}@h:1/0",
            "DJANGO_SOCKET": "/run/django.sock", "MOMENTRY_NONCE": SECRET,
            "DATABASE_DIRECT_URL": f"postgresql://a:{SECRET}@h/d",
        })),
    ]  # fmt: skip

    for value in told:
        for text in (f"{value!r}", f"{value}" if value is not told[10] else "", repr([value])):
            assert SECRET not in text
        assert repr(value).startswith(f"{type(value).__name__}(")


def test_the_rest_of_it_is_still_told(snapshot):
    parsed = phc.parse(argon2id(SECRET))

    assert repr(Credential(SECRET, b"api-key")) == "Credential(header=b'api-key')"
    assert repr(parsed) == "Phc(memory_kib=64, time=1, parallelism=1)"
    assert repr(Opened(snapshot, SECRET)) == f"Opened(key={snapshot!r})"


@pytest.mark.django_db
def test_an_issued_key_is_printed_without_its_secret():
    issued = make.key()

    assert issued.secret[20:] not in f"{issued!r} {issued}"
    assert repr(issued) == f"IssuedKey(key={issued.key!r})"


@pytest.mark.django_db
@pytest.mark.parametrize("form", ["json", "jsonl", "python", "xml"])
def test_digests_are_never_serialised(form):
    key = make.key().key
    RetiredSecret.objects.create(key=key, digest=key.digest or SECRET, ends_at=timezone.now())
    imported()

    for model in (ApiKey, RetiredSecret, ForeignSecret):
        assert "digest" not in model_to_dict(model.objects.first())
        with pytest.raises(TypeError, match="never serialised"):
            serializers.serialize(form, model.objects.all())


@pytest.mark.django_db
def test_dumpdata_ends_without_a_digest(tmp_path, capsys):
    key = make.key().key
    key.refresh_from_db()
    out = tmp_path / "dump.json"

    with pytest.raises(CommandError, match="pg_dump"):
        call_command("dumpdata", "apikeys.apikey", output=str(out))
    others = json.loads(serializers.serialize("json", [key], fields=["name", "key_prefix"]))

    told = capsys.readouterr()
    assert key.digest not in (out.read_text() if out.exists() else "") + told.out + told.err
    assert others[0]["fields"] == {"name": key.name, "key_prefix": key.key_prefix}
