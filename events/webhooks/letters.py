"""What staff are told when the relay disables an endpoint."""

from typing import Any, Final
from uuid import UUID

from events import audience, letters, mail
from events.hookmodels import WebhookEndpoint
from events.mail import Letter
from events.models import Mail
from events.webhooks.services import whom_it_concerns

TEMPLATE = "webhook_disabled"
PERMISSION = "events.view_webhookendpoint"
SAMPLE: Final[dict[str, Any]] = {
    "cause": "gone",
    "host": "hooks.example.org",
    "endpoint": UUID(int=0),
}


def register() -> None:
    mail.register(TEMPLATE, render)
    letters.SAMPLES[TEMPLATE] = SAMPLE
    whom_it_concerns.append(tell_staff)


def tell_staff(endpoint: WebhookEndpoint) -> None:
    for reader in audience.staff_with(PERMISSION):
        mail.queue(
            TEMPLATE, recipient=reader.email, locale=reader.locale, endpoint=endpoint.pk.hex,
            cause=str(endpoint.disabled_for), member=reader.member,
        )  # fmt: skip


def render(letter: Mail) -> Letter:
    """Of an endpoint that is gone meanwhile there is no more to say."""
    row = WebhookEndpoint.objects.filter(pk=letter.context["endpoint"]).first()
    context = {"cause": letter.context["cause"]}
    if row is not None:
        context |= {"host": row.host, "endpoint": row.pk}
    return letters.render(letter, "", context)
