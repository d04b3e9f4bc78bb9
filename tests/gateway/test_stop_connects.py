"""DUR-02: whom the kernel told that they are connected is answered, even at a stop."""

import threading
import time

import pytest

from tests.gateway.conftest import Start
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Cut

pytestmark = pytest.mark.slow
CALL = request("GET", "/healthz", "", "Connection: close")
STOPS, CLIENTS, PROCESSES = 4, 12, 4


class Callers:
    """Each call is a connection of its own, until nobody listens."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.answered = 0
        self.broken: list[str] = []
        self.threads = [threading.Thread(target=self.run) for _ in range(CLIENTS)]

    def run(self) -> None:
        while True:
            try:
                wire = self.gateway.connect()
            except OSError:  # refused: nothing was promised
                return
            try:
                assert wire.send(CALL).answer().status == 200
                self.answered += 1
            except (OSError, Cut) as error:
                self.broken.append(repr(error))


def test_nobody_who_is_connected_is_reset(start: Start) -> None:
    for _ in range(STOPS):
        gateway = start(PROCESSES).wait_until_ready()
        callers = Callers(gateway)
        for thread in callers.threads:
            thread.start()
        time.sleep(0.3)
        assert gateway.stop() == 0
        for thread in callers.threads:
            thread.join(20)
        gateway.close_wires()

        assert callers.broken == []
        assert callers.answered > 50
