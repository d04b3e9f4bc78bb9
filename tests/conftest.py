"""Fixtures every test may ask for."""

import os

import pytest
from rest_framework.test import APIClient


@pytest.fixture
def api() -> APIClient:
    """Django without a gateway in front: the middleware asks the gate itself."""
    return APIClient(raise_request_exception=False)


@pytest.fixture
def admin_api() -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {os.environ['ADMIN_TOKEN']}")
    return client
