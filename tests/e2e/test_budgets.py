"""Budgets through the gateway and the Django that `up` starts: held, settled, told by /me."""

import httpx2
import pytest

pytestmark = pytest.mark.slow


def test_a_budget_is_held_settled_and_told(stack):
    staff = {"Authorization": f"Bearer {stack.admin_token}"}
    made = post(stack, "admin/users", staff, username="budgets", tier="enterprise")
    key, member = {"X-API-Key": made["api_key"]}, made["id"]
    limits = {"tokens_per_day": 1000, "cost_micro_per_month": 5000}
    url = f"{stack.url}/api/v1/admin/users/{member}/limits"
    assert httpx2.put(url, headers=staff, json=limits).status_code == 200
    wish = {"service_name": "llm", "name": "llm", "role": "validator"}
    caller = {"X-API-Key": post(stack, "admin/keys", staff, **wish)["api_key"]}

    held = post(stack, "keys/verify", caller, key=made["api_key"], tokens=900, cost_micro=5000)
    refused = post(stack, "keys/verify", caller, key=made["api_key"], tokens=101)
    done = post(stack, "keys/settle", caller, hold=held["hold"], tokens=250, cost_micro=1200)
    again = post(stack, "keys/settle", caller, hold=held["hold"])
    me = httpx2.get(f"{stack.url}/api/v1/me", headers=key)

    assert (held["valid"], refused["valid"], refused["code"]) == (True, False, "quota_exceeded")
    assert (done["outcome"], done["tokens"], done["cost_micro"]) == ("settled", 250, 1200)
    assert again == done
    left = {limit["name"]: limit["remaining"] for limit in me.json()["limits"]}
    assert (left["tokens-daily"], left["cost-monthly"]) == (750, 3800)
    assert '"tokens-daily";q=1000;w=86400;qu="tokens"' in me.headers["RateLimit-Policy"]
    assert '"cost-monthly";r=3800;t=' in me.headers["RateLimit"]


def post(stack, path, headers, **body):
    answer = httpx2.post(f"{stack.url}/api/v1/{path}", headers=headers, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()
