"""A WordPress to ask, and the site that asks it."""

from collections.abc import Iterator

import pytest

from accounts.models import Scheme
from tests import make
from tests.provisioning.comparing import run
from tests.provisioning.rest import PASSWORD, WordPressStandIn
from tests.provisioning.shop import SECRET


@pytest.fixture
def there() -> Iterator[WordPressStandIn]:
    made = WordPressStandIn()
    yield made
    made.stop()


@pytest.fixture
def asking(there, db):
    """A site with access by REST."""
    site = make.site()
    site.url, site.rest_username, site.rest_password = there.url, "root", PASSWORD
    site.full_clean()
    site.save()
    return site


@pytest.fixture
def three(asking, there):
    """alice, bob and carol, here as there."""
    for number, name in enumerate(("alice", "bob", "carol"), 1):
        there.add(number, name)
    run()
    return asking


@pytest.fixture
def shop(asking):
    asking.scheme, asking.webhook_secret = Scheme.WOOCOMMERCE, SECRET
    asking.save()
    return asking


@pytest.fixture
def hooks(asking):
    asking.scheme, asking.webhook_secret = Scheme.WPWEBHOOKS, SECRET
    asking.save()
    return asking
