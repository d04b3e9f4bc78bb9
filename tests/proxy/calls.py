"""What tests of the upstreams' routes say and look for."""

from typing import Any

from django.db import connection

UPSTREAMS = "/api/v1/admin/upstreams"
SECRET = "sk-proj-Zq81pWm4Lk2vTn7R0xYc3bHd6fJs9gAe"
OTHER = "sk-proj-0dUe5hGw8yKi1oPa4sXf7cVb2nMz6qLt"
MASKED = "sk-***9gAe"
A = "http://a.test:8001"
B = "http://b.test:8002/v1"
NEW: dict[str, Any] = {
    "slug": "llm",
    "name": "LLM",
    "injection": "header",
    "targets": [{"base_url": A, "api_key": SECRET}],
}


def targets(answer: Any) -> dict[str, dict[str, Any]]:
    """By base URL."""
    assert answer.status_code < 300, answer.content
    return {target["base_url"]: target for target in answer.json()["targets"]}


def tables_with(text: str) -> list[str]:
    """Where the whole database holds it in clear."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema='public'"
        )
        names = [row[0] for row in cursor.fetchall()]
        found = []
        for name in names:
            cursor.execute(f'SELECT 1 FROM "{name}" t WHERE t::text LIKE %s', [f"%{text}%"])
            found += [name] * (cursor.fetchone() is not None)
    assert len(names) > 20
    return found
