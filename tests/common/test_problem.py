"""Problem documents: RFC 9457, RFC 6750 challenges, and what SDKs read."""

import json

import pytest

from momentry.common.errors import CODES
from momentry.common.problem import render

REQUEST_ID = "01a1fcc1-8c47-776b-9945-605a415b4f5a"


def parts(code: str, **extra: object):
    problem = render(code, request_id=REQUEST_ID, **extra)
    return problem.status, dict(problem.headers), json.loads(problem.body)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_renders_with_its_members(code):
    status, headers, body = parts(code)

    assert (status, body["status"], body["code"]) == (CODES[code].status, CODES[code].status, code)
    assert body["request_id"] in body["instance"]
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert headers["Content-Type"] == "application/problem+json"
    assert headers.get("x-should-retry") == (None if CODES[code].retry else "false")


@pytest.mark.parametrize(
    ("code", "challenge"),
    [
        ("missing_key", 'Bearer realm="momentry"'),
        ("ambiguous_credentials", 'Bearer realm="momentry", error="invalid_request"'),
        ("key_expired", 'Bearer realm="momentry", error="invalid_token"'),
        ("insufficient_scope", 'Bearer realm="momentry", error="insufficient_scope"'),
    ],
)
def test_challenges_follow_rfc_6750(code, challenge):
    assert parts(code)[1]["WWW-Authenticate"].startswith(challenge)


def test_a_lacking_scope_stands_in_the_challenge():
    headers = parts("insufficient_scope", scope="proxy:use")[1]

    assert headers["WWW-Authenticate"].endswith(', scope="proxy:use"')


def test_a_refusal_without_a_credential_problem_has_no_challenge():
    assert "WWW-Authenticate" not in parts("quota_exceeded")[1]


@pytest.mark.parametrize("code", [code for code, entry in CODES.items() if entry.status == 503])
def test_503_says_when_to_come_back(code):
    assert int(parts(code)[1]["Retry-After"]) >= 1


def test_extra_members_go_into_the_document_and_headers_out_of_it():
    _, headers, body = parts("quota_exceeded", retry_after=60, **{"violated-policies": ["monthly"]})

    assert (headers["Retry-After"], body["violated-policies"]) == ("60", ["monthly"])
    assert "retry_after" not in body


def test_a_quote_in_the_detail_does_not_break_the_header():
    headers = parts("invalid_key", detail='say "x"\\')[1]

    assert headers["WWW-Authenticate"].count('"') % 2 == 0


def test_half_a_character_of_a_client_does_not_stop_the_answer():
    body = parts("invalid_input", detail='"\ud83d" is not a valid choice')[2]

    assert body["detail"] == '"?" is not a valid choice'


@pytest.mark.parametrize("code", sorted(CODES))
def test_anthropic_s_clients_are_told_in_their_own_shape(code):
    status, headers, body = parts(code, dialect="anthropic")
    usual = parts(code)

    assert set(body["error"]) == {"type", "message", "details"}
    assert (body.pop("type"), body.pop("error")["details"]) == ("error", {"error_code": code})
    assert headers.pop("request-id") == REQUEST_ID
    for name in ("type", "error"):
        del usual[2][name]
    assert (status, headers, body) == usual
