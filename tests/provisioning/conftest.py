"""A WordPress to ask, and the site that asks it."""

from collections.abc import Iterator

import pytest

from tests import make
from tests.provisioning.rest import PASSWORD, WordPressStandIn


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
