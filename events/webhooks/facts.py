"""What an event says of an endpoint: the secret never, and of a URL only the host."""

from collections.abc import Iterable
from typing import Any

from events.hookmodels import WebhookEndpoint


def facts(row: WebhookEndpoint, names: Iterable[str]) -> dict[str, Any]:
    values = {"url": row.host, "description": row.description, "kinds": row.kinds}
    return {name: values.get(name) for name in sorted(names)}
