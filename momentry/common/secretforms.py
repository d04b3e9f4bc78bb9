"""SecretsForm: a form that writes encrypted values and can never show one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from unfold.widgets import UnfoldAdminPasswordWidget

from momentry.common.crypto.fields import EncryptedField

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:

    class Base(forms.ModelForm[M]): ...

else:  # ModelForm takes a parameter in its stubs only

    class Base(forms.ModelForm, Generic[M]): ...


def secret_field(label: str, help_text: str = "") -> forms.CharField:
    """A password-like input; what is stored never travels to the browser."""
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    return forms.CharField(
        label=label, help_text=help_text, required=False, max_length=4096, widget=widget
    )


class SecretsForm(Base[M], Generic[M]):
    """``secrets``: this form's field → the EncryptedField it writes. Empty keeps what is there."""

    secrets: ClassVar[Mapping[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, column in self.secrets.items():
            if (field := self.fields.get(name)) is not None:
                self.prepare(field, column)

    def prepare(self, field: forms.Field, column: str) -> None:
        if self.is_set(column):
            field.widget.attrs["placeholder"] = "****"
            field.help_text = f"{field.help_text} Set. Leave empty to keep it.".strip()
        else:
            field.required = not self.column(column).blank

    def is_set(self, column: str) -> bool:
        """Without opening it: a row whose key was lost must still be mendable."""
        if self.instance._state.adding:
            return False
        return self.column(column).value_from_object(self.instance) is not None

    def column(self, name: str) -> "EncryptedField[Any, Any]":
        found = self.instance._meta.get_field(name)
        assert isinstance(found, EncryptedField)  # noqa: S101  a programming error otherwise
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name, column in self.secrets.items():
            if value := cleaned.get(name):
                self.assign(name, column, value)
        return cleaned

    def assign(self, name: str, column: str, value: str) -> None:
        try:
            self.column(column).clean(value, self.instance)
        except ValidationError as error:
            self.add_error(name, error)
        else:
            setattr(self.instance, column, value)
