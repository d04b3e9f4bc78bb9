"""/healthz, /readyz, /metrics."""

from tests import make
from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway
from tests.gateway.wire import within


def test_health_and_readiness_name_the_instance(gateway: Gateway) -> None:
    for path in ("/healthz", "/readyz"):
        answer = gateway.get(path)

        assert answer.status == 200
        assert answer.field("x-momentry-instance") == "n1"


def test_metrics_need_their_scope(gateway: Gateway, database: Database, key: str) -> None:
    with database.rows():
        secret = make.service_key("metrics").secret

    assert gateway.get("/metrics").status == 401
    assert gateway.get("/metrics", key).status == 403
    answer = gateway.get("/metrics", secret)
    assert answer.status == 200
    assert answer.field("content-type").startswith("text/plain; version=")


def test_any_process_tells_the_sum_of_all(gateway: Gateway, database: Database) -> None:
    with database.rows():
        secret = make.service_key("metrics").secret

    def refused() -> float:
        lines = gateway.get("/metrics", secret).body.decode().splitlines()
        name = 'momentry_gateway_requests_total{kind="proxy",status="4xx"} '
        return next(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    before = refused()
    for _ in range(20):
        gateway.get("/proxy/echo/")
    assert within(2, lambda: refused() == before + 20)  # counted once its answer was written
    assert {refused() for _ in range(10)} == {before + 20}
