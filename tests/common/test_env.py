"""Typed readers: NAME_FILE, clear errors that name the variable and never show the value."""

import pytest

from momentry.common.env import ConfigurationError, Environment

SECRET = "hunter2-hunter2"


def read(**variables: str) -> Environment:
    return Environment(variables)


def test_a_value_is_stripped_and_empty_counts_as_absent():
    assert read(NAME="  x ").text("NAME") == "x"
    assert read(NAME="  ").text("NAME", "fallback") == "fallback"


def test_a_file_may_hold_the_value(tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")

    assert read(NAME_FILE=str(path)).text("NAME") == SECRET


def test_a_value_and_a_file_together_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"NAME and NAME_FILE are both set"):
        read(NAME=SECRET, NAME_FILE=str(tmp_path)).text("NAME")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_names_the_variable(tmp_path, content):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigurationError, match="NAME_FILE names a file that cannot be read"):
        read(NAME_FILE=str(path)).text("NAME")


def test_a_missing_value_without_default_names_the_variable():
    with pytest.raises(ConfigurationError, match=r"NAME is missing\."):
        read().text("NAME")


@pytest.mark.parametrize(
    "call",
    [
        lambda env: env.integer("NAME"),
        lambda env: env.number("NAME", 1, low=0, high=9),
        lambda env: env.boolean("NAME", True),
        lambda env: env.choice("NAME", "a", ("a", "b")),
        lambda env: env.url("NAME", None, ("http", "https")),
    ],
)
def test_a_bad_value_is_named_but_not_shown(call):
    with pytest.raises(ConfigurationError) as caught:
        call(read(NAME=SECRET))

    assert str(caught.value).startswith("NAME ")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "10"])
def test_a_number_keeps_its_bounds(value):
    with pytest.raises(ConfigurationError):
        read(NAME=value).number("NAME", 1, low=0, high=9)


def test_a_list_drops_empty_items():
    assert read(NAME="a, ,b,").words("NAME") == ["a", "b"]


@pytest.mark.parametrize(("word", "expected"), [("TRUE", True), ("off", False), ("1", True)])
def test_booleans_have_several_spellings(word, expected):
    assert read(NAME=word).boolean("NAME", not expected) is expected


@pytest.mark.parametrize("url", ["postgresql://u:hun/ter2@h/db", "postgresql://u:p@h:notaport/db"])
def test_a_url_with_a_bad_port_is_named_but_not_shown(url):
    with pytest.raises(ConfigurationError) as caught:
        read(DATABASE_URL=url).url("DATABASE_URL", None, ("postgresql",))

    assert str(caught.value) == "DATABASE_URL is not a URL."
