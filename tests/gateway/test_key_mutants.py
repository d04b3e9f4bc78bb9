"""AUTH-05 on the wire: no slip of a valid key passes the gateway's door."""

from collections import Counter

from tests.apikeys.mutants import sample
from tests.gateway.processes import Gateway


def test_no_slip_of_a_key_passes(gateway: Gateway, key: str) -> None:
    found: Counter[int] = Counter()
    for mutant in sample(key):
        if mutant.strip(" \t") == key:
            continue
        field = b"X-API-Key: " + mutant.encode()
        head = b"GET /proxy/echo/x HTTP/1.1\r\nHost: gateway.test\r\n" + field + b"\r\n\r\n"
        found[gateway.ask(head).status] += 1

    assert set(found) <= {400, 401}
    assert found[401] > 20
    assert gateway.get("/proxy/echo/x", key).status == 200
