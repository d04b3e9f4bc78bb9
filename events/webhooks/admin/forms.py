"""The form of an endpoint: its URL is sealed, which no form of a model shows by itself."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget

from events.hookmodels import LONGEST_URL, WebhookEndpoint
from events.webhooks.addresses import fault_inside
from momentry.common.crypto.errors import EnvelopeError
from momentry.common.validators import validate_webhook_url

if TYPE_CHECKING:
    Base = forms.ModelForm[WebhookEndpoint]
else:  # it takes a parameter in its stubs only
    Base = forms.ModelForm


class EndpointForm(Base):
    url = forms.CharField(
        label="URL", max_length=LONGEST_URL, validators=[validate_webhook_url],
        widget=UnfoldAdminTextInputWidget,
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            with suppress(EnvelopeError):
                self.initial["url"] = self.instance.url


def fault_of(url: str) -> ValidationError | None:
    """None of what is no URL: the form says that."""
    try:
        validate_webhook_url(url)
    except ValidationError:
        return None
    return fault_inside(url)
