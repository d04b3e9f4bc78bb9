"""EncryptedField: text sealed with the key ring for its table, column and row.

The instance keeps the envelope and opens it on each access; assigned text is sealed at save under
the row's id, so the id must be known by then (UUIDv7 made in Python). Every save writes an envelope
of the newest key. Lookups but ``isnull``, ``update()``, ``bulk_update()``, forms, fixtures and
serializers refuse. Renaming its table or column needs a migration that seals anew.
"""

from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from django.core import checks
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from momentry.common.crypto.errors import EnvelopeError, UnknownKeyError
from momentry.common.crypto.keyring import get_ring
from momentry.common.crypto.stored import Envelope, Pending

_ST = TypeVar("_ST")
_GT = TypeVar("_GT")


class EncryptedAttribute(DeferredAttribute):
    """Reads open the envelope; text assigned waits as Pending; envelopes come from the database."""

    field: "EncryptedField[Any, Any]"

    def __get__(self, instance: models.Model | None, cls: type | None = None) -> Any:
        if instance is None:
            return self
        return self.field.reveal(instance, self.stored(instance))

    def __set__(self, instance: models.Model, value: object) -> None:
        name = self.field.attname
        if value is None or isinstance(value, Envelope | Pending):
            instance.__dict__[name] = value
        elif not isinstance(value, str):
            raise TypeError(f"{self.field.place} takes text, not {type(value).__name__}.")
        elif not self.holds(instance, value):
            instance.__dict__[name] = Pending(str(value))

    def stored(self, instance: models.Model) -> Envelope | Pending | None:
        """What the instance keeps; a deferred one is fetched without opening it."""
        data, name = instance.__dict__, self.field.attname
        if name not in data:
            manager = type(instance)._base_manager.using(instance._state.db)
            data[name] = manager.values_list(name, flat=True).get(pk=instance.pk)
        found: Envelope | Pending | None = data[name]
        return found

    def holds(self, instance: models.Model, text: str) -> bool:
        """Does its envelope say this already? (full_clean and refresh assign what they read)"""
        envelope = instance.__dict__.get(self.field.attname)
        if not isinstance(envelope, Envelope):
            return False
        try:
            return self.field.reveal(instance, envelope) == text
        except EnvelopeError:
            return False


if TYPE_CHECKING:

    class Base(models.Field[_ST, _GT]): ...

else:  # Field takes parameters in its stubs only

    class Base(models.Field, Generic[_ST, _GT]): ...


class EncryptedField(Base[_ST, _GT]):
    """A text column that holds envelopes. ``max_length`` counts the characters of the plaintext."""

    description = "Encrypted text"
    descriptor_class = EncryptedAttribute
    _pyi_private_set_type: str
    _pyi_private_get_type: str
    _pyi_lookup_exact_type: None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False  # no form shows it; services assign it
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("editable", None)
        return name, path, args, kwargs

    def get_internal_type(self) -> str:
        return "TextField"

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def place(self) -> str:
        return f"{self.table}.{self.column}"

    def context(self, row_id: Any) -> dict[str, Any]:
        return {"table": self.table, "column": self.column, "row_id": row_id}

    def seal(self, row_id: Any, text: str) -> Envelope:
        return Envelope(get_ring().seal(text, **self.context(row_id)))

    def unseal(self, row_id: Any, envelope: str) -> str:
        """Raises EnvelopeError when it does not open in this row."""
        return get_ring().open(envelope, **self.context(row_id))

    def reveal(self, instance: models.Model, stored: Envelope | Pending | None) -> str | None:
        if stored is None:
            return None
        return stored.text if isinstance(stored, Pending) else self.unseal(instance.pk, stored)

    def pre_save(self, model_instance: models.Model, add: bool) -> Envelope | None:
        """The envelope to write: always of this row and, where its key is known, the newest key.

        A sealed value whose key left the ring stays as it is, so the row's other columns can
        still be saved; one of another row, or altered, raises EnvelopeError.
        """
        stored = model_instance.__dict__[self.attname]
        if stored is None:
            return None
        if model_instance.pk is None:
            raise ValueError(f"{self.place} is sealed under the row's id, which is not known yet.")
        try:
            text = self.reveal(model_instance, stored)
        except UnknownKeyError:
            if add:
                raise
            return Envelope(stored)
        if not isinstance(stored, Envelope) or not get_ring().is_current(stored):
            stored = self.seal(model_instance.pk, str(text))
            model_instance.__dict__[self.attname] = stored
        return Envelope(stored)

    def from_db_value(self, value: str | None, *_: Any) -> Envelope | None:
        return None if value is None else Envelope(value)

    def get_prep_value(self, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, Envelope):
            return str.__str__(value)
        raise TypeError(f"{self.place} is written by save() only: text is sealed with its row.")

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        """Field.clean without its text conversion, and not skipped because no form shows it."""
        if value is None and not self.null:
            raise ValidationError(self.error_messages["null"], code="null")
        if value == "" and not self.blank:
            raise ValidationError(self.error_messages["blank"], code="blank")
        if value is not None:
            self.clean_text(value)
        self.run_validators(value)
        return value

    def clean_text(self, value: str) -> None:
        if self.max_length is not None and len(value) > self.max_length:
            raise ValidationError(f"At most {self.max_length} characters.", code="max_length")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValidationError("Not Unicode text.", code="invalid")

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None

    def get_transform(self, name: str) -> None:
        return None

    def value_from_object(self, obj: models.Model) -> Any:
        """For what copies rows generically (model_to_dict, raw inserts): the envelope."""
        return self.descriptor_class(self).stored(obj)

    def value_to_string(self, obj: models.Model) -> NoReturn:
        raise TypeError(f"{self.place} is never serialised; back the database up with pg_dump.")

    def to_python(self, value: Any) -> NoReturn:
        raise ValidationError("An encrypted value cannot be read from a form or a fixture.")

    def formfield(self, **_: Any) -> None:
        return None

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        found = super().check(**kwargs)
        key = self.model._meta.pk
        if not key.has_default():
            hint = "Use UUIDField(primary_key=True, default=uuid7)."
            message = "The model's key must be made in Python: values are sealed with it."
            found.append(checks.Error(message, hint, obj=self, id="momentry.E010"))
        if self.unique or getattr(self, "db_index", False):
            message = "Envelopes of equal texts differ; an index over them means nothing."
            found.append(checks.Error(message, obj=self, id="momentry.E011"))
        return found
