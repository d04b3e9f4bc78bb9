"""EncryptedField on real rows: sealed in the database, open in the code, shown nowhere."""

import copy
import pickle
from typing import Any, assert_type

import pytest
from django.core import serializers
from django.core.exceptions import FieldError, ValidationError
from django.db import connection, transaction
from django.db.models import F
from django.forms.models import model_to_dict, modelform_factory

from events.models import Event, Mail
from momentry.common.crypto.errors import TamperedError, UnknownKeyError, WrongRowError
from momentry.common.crypto.fields import EncryptedField
from momentry.common.crypto.generate import generate
from momentry.common.crypto.keyring import KeyRing, get_ring
from momentry.common.crypto.stored import Envelope, Pending
from momentry.common.ids import uuid7

pytestmark = pytest.mark.django_db
TEXT = "alice@example.org"
OTHERS = {field.name for field in Mail._meta.fields} - {"recipient"}


def make(**fields: Any) -> Mail:
    mail = Mail(template="welcome", **{"recipient": TEXT, **fields})
    mail.full_clean(exclude=OTHERS)
    mail.save()
    return mail


def column(mail: Mail) -> str:
    """What a database reader sees."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT recipient FROM events_mail WHERE id = %s", [mail.pk])
        return str(cursor.fetchone()[0])


def write(mail: Mail, value: str) -> None:
    """What a database writer does."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events_mail SET recipient = %s WHERE id = %s", [value, mail.pk])


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the keys of this process; answers the setter."""

    def use(*keys: str) -> KeyRing:
        monkeypatch.setenv("ENCRYPTION_KEY", ",".join(keys))
        get_ring.cache_clear()
        return get_ring()

    yield use
    monkeypatch.undo()
    get_ring.cache_clear()


def test_the_database_holds_an_envelope_and_the_attribute_opens_it() -> None:
    """ENC-02."""
    mail = make()

    loaded = Mail.objects.get(pk=mail.pk)

    assert loaded.recipient == mail.recipient == TEXT
    assert get_ring().is_current(column(mail))
    assert TEXT not in column(mail)
    assert assert_type(loaded.recipient, str) == TEXT
    assert assert_type(Event().details, str | None) is None


def test_two_rows_with_the_same_text_differ() -> None:
    assert column(make())[30:] != column(make())[30:]


def test_none_and_the_empty_text_are_kept_apart() -> None:
    event = Event.objects.create(kind="k", actor="a", subject="s", details="")
    other = Event.objects.create(kind="k", actor="a", subject="s")

    assert Event.objects.get(pk=event.pk).details == ""
    assert Event.objects.get(pk=other.pk).details is None
    assert list(Event.objects.filter(details__isnull=True)) == [other]


def test_an_envelope_copied_from_another_row_does_not_open() -> None:
    """ENC-06."""
    alice, bob = make(), make(recipient="bob@example.org")
    write(alice, column(bob))

    moved = Mail.objects.get(pk=alice.pk)

    with pytest.raises(WrongRowError):
        _ = moved.recipient
    with pytest.raises(WrongRowError):
        moved.save()


@pytest.mark.parametrize("forged", ["", "bob@example.org", "m1.", "gASVBQAAAAAAAACMAUGULg=="])
def test_what_a_database_writer_forges_does_not_open(forged: str) -> None:
    """ENC-07: plain text, nothing, and a pickle included."""
    mail = make()
    write(mail, forged)

    with pytest.raises(TamperedError):
        _ = Mail.objects.get(pk=mail.pk).recipient


def test_a_text_that_looks_like_an_envelope_is_only_text() -> None:
    """ENC-07: nobody gets a foreign value opened by handing in its envelope."""
    envelope = column(make(recipient="bob@example.org"))

    assert Mail.objects.get(pk=make(recipient=envelope).pk).recipient == envelope


def test_each_save_writes_the_newest_key(ring: Any) -> None:
    """ENC-03: a row read before a rotation and saved after it does not bring the old key back."""
    old, new = generate("encryption-key"), generate("encryption-key")
    ring(old)
    mail = Mail.objects.get(pk=make().pk)
    current = ring(new, old)

    mail.save()

    assert current.is_current(column(mail))
    assert mail.recipient == TEXT


def test_if_the_key_left_the_ring_then_the_rest_of_the_row_can_still_be_saved(ring: Any) -> None:
    ring(generate("encryption-key"))
    mail = make()
    before = column(mail)
    ring(generate("encryption-key"))
    loaded = Mail.objects.get(pk=mail.pk)

    loaded.attempts = 3
    loaded.save()

    assert column(mail) == before
    with pytest.raises(UnknownKeyError):
        _ = loaded.recipient
    loaded.recipient = "new@example.org"
    loaded.save()
    assert Mail.objects.get(pk=mail.pk).recipient == "new@example.org"


def test_full_clean_and_refresh_keep_an_unchanged_envelope() -> None:
    mail = Mail.objects.get(pk=make().pk)
    before = column(mail)

    mail.full_clean(exclude=OTHERS)
    mail.refresh_from_db()
    mail.save()

    assert column(mail) == before


def test_refresh_from_db_sees_what_another_wrote() -> None:
    mail = make()
    other = Mail.objects.get(pk=mail.pk)
    other.recipient = "new@example.org"
    other.save(update_fields=["recipient"])

    mail.refresh_from_db()

    assert mail.recipient == "new@example.org"


@pytest.mark.parametrize("value", ["", None, "\ud800"])
def test_full_clean_refuses_what_the_field_does_not_allow(value: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        Mail(template="welcome", recipient=value).full_clean(exclude=OTHERS)

    assert list(raised.value.message_dict) == ["recipient"]


def test_max_length_counts_the_plaintext() -> None:
    field: EncryptedField[str, str] = EncryptedField(max_length=3)

    assert field.clean("abc", None) == "abc"
    with pytest.raises(ValidationError):
        field.clean("abcd", None)


@pytest.mark.parametrize("value", [7, b"bytes", F("template"), ["x"]])
def test_only_text_can_be_assigned(value: Any) -> None:
    with pytest.raises(TypeError, match=r"events_mail\.recipient takes text"):
        Mail(recipient=value)


def test_values_give_envelopes_and_deferred_rows_load_on_access(
    django_assert_num_queries: Any,
) -> None:
    mail = make()

    (envelope,) = Mail.objects.filter(pk=mail.pk).values_list("recipient", flat=True)
    deferred, only = Mail.objects.defer("recipient").get(), Mail.objects.only("recipient").get()

    assert envelope == column(mail)
    with django_assert_num_queries(1):
        assert (deferred.recipient, deferred.recipient) == (TEXT, TEXT)
    with django_assert_num_queries(0):
        assert only.recipient == TEXT


def test_a_deferred_value_is_not_written_by_save() -> None:
    mail = make()
    deferred = Mail.objects.defer("recipient").get(pk=mail.pk)
    write(mail, "untouched")

    deferred.save()

    assert column(mail) == "untouched"


def test_bulk_create_seals_each_row() -> None:
    mails = Mail.objects.bulk_create(
        [Mail(template="t", recipient=f"{n}@example.org") for n in "abc"]
    )

    stored = {mail.pk: mail.recipient for mail in Mail.objects.all()}
    assert stored == {mail.pk: mail.recipient for mail in mails}


@pytest.mark.parametrize(
    "lookup", ["exact", "iexact", "contains", "in", "gt", "regex", "startswith"]
)
def test_lookups_but_isnull_are_refused(lookup: str) -> None:
    with pytest.raises(FieldError):
        Mail.objects.filter(**{f"recipient__{lookup}": TEXT})


def test_update_and_bulk_update_refuse() -> None:
    mail = make()
    mail.recipient = "new@example.org"

    with pytest.raises(TypeError, match="written by save"), transaction.atomic():
        Mail.objects.update(recipient="new@example.org")
    with pytest.raises(TypeError, match="written by save"), transaction.atomic():
        Mail.objects.bulk_update([mail], ["recipient"])
    assert Mail.objects.get(pk=mail.pk).recipient == TEXT


def test_a_row_cloned_by_changing_its_key_is_refused_not_broken() -> None:
    mail = Mail.objects.get(pk=make().pk)
    mail.pk = uuid7()
    mail._state.adding = True

    with pytest.raises(WrongRowError):
        mail.save()


def test_copies_and_pickles_hold_no_plaintext() -> None:
    mail = make()
    loaded = Mail.objects.get(pk=mail.pk)

    assert TEXT.encode() not in pickle.dumps(loaded)
    assert TEXT.encode() not in pickle.dumps(mail)
    assert pickle.loads(pickle.dumps(loaded)).recipient == TEXT
    assert copy.copy(loaded).recipient == copy.deepcopy(loaded).recipient == TEXT
    assert copy.deepcopy(Mail(recipient=TEXT)).recipient == TEXT
    with pytest.raises(TypeError, match="save it first"):
        pickle.dumps(Mail(recipient=TEXT))


def test_no_repr_form_or_serializer_shows_the_text() -> None:
    mail = make()

    assert TEXT not in repr(vars(Mail(recipient=TEXT))) + repr(vars(mail)) + repr(mail)
    assert repr(Pending(TEXT)) == "<text to be sealed>"
    assert column(mail)[20:] not in repr(Envelope(column(mail)))
    assert "recipient" not in model_to_dict(mail)
    assert "recipient" not in modelform_factory(Mail, fields="__all__").base_fields
    with pytest.raises(TypeError, match="never serialised"):
        serializers.serialize("json", [mail])
    fixture = f'[{{"model": "events.mail", "pk": "{mail.pk}", "fields": {{"recipient": "x"}}}}]'
    with pytest.raises(serializers.base.DeserializationError):
        list(serializers.deserialize("json", fixture))
