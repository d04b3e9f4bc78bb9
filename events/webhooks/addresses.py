"""Where an endpoint is: judged as it is saved, and by the sender again each time it is dialled."""

from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from momentry.common.egress.allowed import plain_name
from momentry.common.egress.client import PeerError, Step, dialled_of, look_up
from momentry.common.egress.rules import Kind
from momentry.common.validators import validate_webhook_url

LOOK_SECONDS: Final = 2.0
LOCAL: Final = ["127.0.0.1", "::1"]


def check_url(url: str) -> None:
    try:
        validate_webhook_url(url)
    except ValidationError as error:
        raise ValidationError({"url": error.messages}) from None
    refuse_inside(url)


def refuse_inside(url: str) -> None:
    if fault := fault_inside(url):
        raise fault


def fault_inside(url: str) -> ValidationError | None:
    """Name servers are asked: before a transaction, not in one. A name that leads nowhere but
    inside is refused as it is saved, too; one that no name server knows at this moment is judged
    when it is dialled, as all are."""
    host = urlsplit(url).hostname or ""
    is_local = f".{plain_name(host)}".endswith(".localhost")  # RFC 6761 §6.3, whoever answers
    try:
        found = LOCAL if is_local else look_up(host, monotonic() + LOOK_SECONDS)
        dialled_of(host, found, Kind.WEBHOOK)
    except PeerError as error:
        if error.step is Step.EGRESS:
            return ValidationError({"url": str(error)})
    return None
