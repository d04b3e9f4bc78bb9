"""Secrets of other systems' forms in what is logged about a request."""

import json

import pytest

from momentry.common import scrub

SECRETS = ["sk-auto-Zm9vYmFyYmF6MTIz", "pk_live_4eC39HqLyjWDarjtT1", "acme.v1~4eC39/HqLy+jWDar=="]
HEADERS = ["Authorization", "X-API-Key", "api-key", "HTTP_X_API_KEY", "x-api-key"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("name", HEADERS)
def test_the_value_of_a_credential_header_is_cut(name, secret):
    value = f"Bearer {secret}" if name == "Authorization" else secret
    told = [
        f"{name}: {value}",
        repr({name: value}),
        repr({name.encode(): value.encode()}),
        repr([(name.lower().encode(), value.encode())]),
        json.dumps({"headers": {name: value}}),
        json.dumps(json.dumps({name: value})),
    ]

    assert [text for text in told if secret[8:] in scrub.line(text)] == []
    assert secret not in json.dumps(scrub.clean({"headers": {name: value}}))


@pytest.mark.parametrize("secret", SECRETS[:2])
@pytest.mark.parametrize("around", ["no such key: {}", "GET /v1/x?k={} 404", "('{}',)", "{}"])
def test_a_known_form_is_cut_wherever_it_stands(around, secret):
    assert secret[8:] not in scrub.line(around.format(secret))
