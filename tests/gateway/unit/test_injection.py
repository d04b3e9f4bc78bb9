"""How an upstream's credential is written, and that none can break out of its place."""

import pytest

from proxy.gateway.injection import NONE, basic, header, inject_query, query_parameter


def test_a_header_template_is_filled():
    injection = header("Authorization: Bearer {credential}", "sk-1")

    assert (injection.line, injection.field) == (
        b"Authorization: Bearer sk-1\r\n",
        b"authorization",
    )


@pytest.mark.parametrize(
    ("template", "credential"),
    [
        ("Authorization: Bearer {credential}", "a\r\nX: y"),
        ("Authorization: Bearer {credential}", "a\nb"),
        ("Authorization: Bearer {credential}", "a\x00"),
        ("X-Key: {credential}", ""),
        ("X-Key: {credential}", "a "),
        ("X-Key {credential}", "a"),
        ("X-Key: fixed", "a"),
        ("X Key: {credential}", "a"),
        ("X-Key: a\r\nB: {credential}", "a"),
        ("Host: {credential}", "a"),
        ("Content-Length: {credential}", "1"),
        ("Connection: {credential}", "a"),
        ("X-Forwarded-For: {credential}", "a"),
        ("X-Momentry-User-Id: {credential}", "a"),
    ],
)
def test_what_would_make_another_field_is_refused(template, credential):
    with pytest.raises(ValueError, match=r"\.$"):
        header(template, credential)


def test_basic_is_encoded():
    assert basic("Aladdin", "open sesame").line == (
        b"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"
    )


@pytest.mark.parametrize(("username", "password"), [("a:b", "c"), ("a", "b\n"), ("a\x7f", "b")])
def test_basic_refuses_what_it_cannot_carry(username, password):
    with pytest.raises(ValueError, match="Basic"):
        basic(username, password)


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        (None, b"key=a%26b%20c"),
        (b"", b"key=a%26b%20c"),
        (b"x=1&y=%2F+z", b"x=1&y=%2F+z&key=a%26b%20c"),
        (b"key=evil", b"key=a%26b%20c"),
        (b"x=1&key=evil&y&key", b"x=1&y&key=a%26b%20c"),
        (b"k%65y=evil&KEY=kept&keys=kept", b"KEY=kept&keys=kept&key=a%26b%20c"),
        (b"x=1;key=evil", b"key=a%26b%20c"),
        (b"x=key", b"x=key&key=a%26b%20c"),
    ],
)
def test_a_parameter_is_appended_and_the_clients_own_is_removed(query, sent):
    assert inject_query(query, query_parameter("key", "a&b c")) == sent


@pytest.mark.parametrize("query", [None, b"", b"a=1&&b"])
def test_without_a_parameter_the_query_is_byte_exact(query):
    assert inject_query(query, NONE) == query


def test_a_parameter_needs_a_name():
    with pytest.raises(ValueError, match="name"):
        query_parameter("", "a")
