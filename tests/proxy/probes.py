"""Tests of upstreams as somebody with the right asks for them, and what is told."""

from typing import Any

from proxy.models import Upstream
from tests import make
from tests.proxy.calls import SECRET, UPSTREAMS


def made(base_url: str, **given: Any) -> Upstream:
    return make.upstream("llm", base_url, **{"credential": SECRET, "injection": "header"} | given)


def probed(api: Any, **body: Any) -> dict[str, Any]:
    answer = api.post(f"{UPSTREAMS}/llm/test", body)
    assert answer.status_code == 200, answer.content
    assert SECRET not in answer.content.decode()
    found: dict[str, Any] = answer.json()
    assert found["ok"] == all(each["outcome"] == "ok" for each in found["targets"])
    return found


def one(api: Any, **body: Any) -> tuple[str, int | None]:
    (target,) = probed(api, **body)["targets"]
    return target["outcome"], target["status"]
