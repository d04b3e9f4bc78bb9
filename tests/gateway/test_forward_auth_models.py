"""Forward-auth of keys that may use some models only: the gateway sees no body there."""

import uuid

from apikeys.models import Grant
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.fronted import ask


def test_where_no_model_can_be_seen_none_was_granted(
    start: Start, database: Database, seeded: str
) -> None:
    front = start(TRUSTED_PROXIES="127.0.0.1").wait_until_ready()
    wide = database.key_for(name := f"f{uuid.uuid4().hex[:8]}", "echo")
    with database.rows():
        made = make.key(make.member(f"g{name}", tier=f"tier-{name}"))
        Grant.objects.create(key=made.key, upstream="echo", models=["gpt-4o"])

    answers = [ask(front, made.secret, method=method) for method in ("GET", "POST")]

    assert [answer.status for answer in answers] == [403, 403]
    assert all(b'"code": "model_forbidden"' in answer.body for answer in answers)
    assert ask(front, wide).status == 200
