"""One installation for all tests here that only talk to it."""

from collections.abc import Iterator

import pytest

from tests import make
from tests.e2e import up

SECRET = make.webhook_secret()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[up.Up]:
    running = up.start(
        tmp_path_factory.mktemp("e2e") / "var",
        workers=2,
        WORDPRESS_URL="https://wordpress.example.org",
        WORDPRESS_WEBHOOK_SECRET=SECRET,
    )
    yield running
    running.stop()
