"""Calls that are refused by the model that they name, or do not."""

import uuid

from tests import make
from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Answer

JSON = "Content-Type: application/json"
GRANT = """
INSERT INTO apikeys_grant (key_id, upstream, methods, paths, models, created_at)
VALUES (%s, 'echo', '{}', '{}', '{m}', now())"""


def off_the_list(gateway: Gateway, database: Database) -> Answer:
    """Of an upstream that serves its models only."""
    slug = f"c{uuid.uuid4().hex[:8]}"
    with database.rows():
        make.upstream(slug, usage_format="openai", models_only=True)
    secret = database.key_for(slug, slug)
    body = b'{"model": "m"}'
    return gateway.ask(request("POST", f"/proxy/{slug}/x", secret, JSON, body=body))


def not_granted(gateway: Gateway, database: Database) -> Answer:
    """To a key whose grant is for one model only."""
    secret = database.key_for(f"c{uuid.uuid4().hex[:8]}", "echo")
    database.change(GRANT, uuid.UUID(secret.split("_")[1]))
    return gateway.ask(request("POST", "/proxy/echo/x", secret, body=b"{}"))
