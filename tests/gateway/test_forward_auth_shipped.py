"""What integrations/ ships for Traefik and Envoy, which are not run here, asks what is answered."""

from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.gateway.conftest import Start
from tests.gateway.fronted import CLIENT
from tests.gateway.fronts import INTEGRATIONS
from tests.gateway.processes import Gateway, request


@pytest.fixture(scope="module")
def front(start_once: Start, seeded: str) -> Gateway:
    return start_once(TRUSTED_PROXIES="127.0.0.1").wait_until_ready()


def shipped(name: str) -> Any:
    text = (INTEGRATIONS / name).read_text()
    return yaml.safe_load(
        text.replace("upstream=llm", "upstream=echo").replace("/llm\n", "/echo\n")
    )


def filters() -> dict[str, Any]:
    (listener,) = shipped("envoy/envoy.yaml")["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return {
        item["name"].rpartition(".")[2]: item["typed_config"] for item in manager["http_filters"]
    }


def test_traefiks_address_is_answered(front: Gateway, key: str) -> None:
    middleware = shipped("traefik/momentry.yml")["http"]["middlewares"]["momentry"]["forwardAuth"]
    address = urlsplit(middleware["address"])
    told = ("X-Forwarded-Method: GET", "X-Forwarded-Uri: /llm/a", f"X-Forwarded-For: {CLIENT}")

    assert front.get(f"{address.path}?{address.query}", key, *told).status == 200
    assert middleware["trustForwardHeader"] is False


def test_envoys_prefix_is_answered(front: Gateway, key: str) -> None:
    prefix = filters()["ext_authz"]["http_service"]["path_prefix"]

    answer = front.ask(request("POST", f"{prefix}/llm/a?b=c", key, "Content-Length: 0"))

    assert answer.status == 200


def test_envoy_closes_and_strips_before_it_asks() -> None:
    found = filters()
    taken = found["header_mutation"]["mutations"]["request_mutations"]
    names = ("user-id", "key-id", "scopes", "tier", "request-id")

    assert list(found) == ["header_mutation", "ext_authz", "router"]
    assert found["ext_authz"]["failure_mode_allow"] is False
    assert {f"x-momentry-{name}" for name in names} <= {item["remove"] for item in taken}
