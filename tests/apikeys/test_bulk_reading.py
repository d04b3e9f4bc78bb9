"""Files of keys are read with lines, strictly, and whatever they hold."""

import json

import pytest

from apikeys.services.bulk.reading import MAX_BYTES, Problem, path_of, pointer_of, read


def said(data: bytes) -> list[str]:
    document = read(data)
    return [document.lines.say(problem) for problem in document.problems]


def test_entries_are_what_python_reads():
    entries = [{"a": [1, -2.5e3, True, None, 'é\u2028 \\ " 😀'], "b": {}}, [], 0, "x"]

    for indent in (None, 2):
        assert read(json.dumps({"keys": entries}, indent=indent).encode()).entries == entries


def test_values_know_their_lines():
    document = read(b'{\n "keys": [\n  {"name": "a",\n   "scopes": [\n    "x"]}\n]}')

    places = {"#/keys": 2, "#/keys/0": 3, "#/keys/0/scopes": 4, "#/keys/0/scopes/0": 5}
    assert {pointer: document.lines.of(pointer) for pointer in places} == places
    assert document.lines.of("#/keys/0/nothing") == 3
    assert document.lines.of("#/nothing") == 1
    assert document.lines.say(Problem("#/keys/0/scopes/0", "no")) == "line 5: keys[0].scopes[0]: no"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_json_lines_count_lines_too(newline):
    document = read(newline.join(['{"name": "a"}', "", '{"name": "b"}', ""]).encode())

    assert document.entries == [{"name": "a"}, {"name": "b"}]
    assert (document.problems, document.lines.of("#/keys/1/name")) == ([], 3)


def test_a_mark_of_byte_order_is_no_matter():
    assert read(b'\xef\xbb\xbf{"keys": [1]}').entries == [1]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", 1),
        (b" \n ", 1),
        (b"\n[", 2),
        (b'{"keys": [\n1,]}', 2),
        (b'{"keys": [\n1 2]}', 2),
        (b'{"keys": [1]\n', 2),
        (b'{"keys": [1]}\n x', 2),
        (b'{"keys"\n 1}', 2),
        (b'{"keys": [{\nname: 1}]}', 2),
        (b'{"keys": ["a\nb"]}', 1),
        (b'{"keys": ["\\x"]}', 1),
        (b'{"keys": [NaN]}', 1),
        (b'{"keys": [Infinity, 01]}', 1),
        (b'{"keys": [' + b"9" * 5000 + b"]}", 1),
        (b'{"keys": "a"}', 1),
        (b"[]", 1),
        (b'"keys"', 1),
        (b'{"name": "a"}\n[]', 2),
        (b'{"keys": []}\n{"keys": []}', 2),
        (b'{"a": 1}\n{"keys": [\xff]}', 2),
        ('{"keys": []}'.encode("utf-16"), 1),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_not_such_a_file_is_said_with_its_line(data, line):
    (found,) = said(data)

    assert f"line {line}" in found


def test_names_that_are_there_twice_are_told():
    found = said(b'{"keys": [{"name": "a",\n"name": "b", "metadata": {"x": 1,\n"x": 2}}]}')

    assert [line.partition(": this name")[0] for line in found] == [
        "line 2: keys[0].name",
        "line 3: keys[0].metadata.x",
    ]


def test_unknown_names_beside_keys_are_told():
    assert said(b'{"keys": [], "version": 1}') == ["line 1: version: is not a field of the file"]


@pytest.mark.parametrize("begin", [b"[", b'{"a":'])
def test_deep_nesting_is_an_error_and_no_crash(begin):
    (found,) = said(b'{"keys": [' + begin * 200_000)

    assert "nested more than 64 deep" in found


def test_ten_megabytes_are_read_and_too_many_are_not():
    entry = {"name": "n", "metadata": {"text": "x" * 60_000}}

    assert len(read(json.dumps({"keys": [entry] * 170}).encode()).entries) == 170
    assert said(b" " * (MAX_BYTES + 1)) == ["line 1: the file is larger than 32 MiB"]


def test_lone_surrogates_and_nul_are_left_to_the_rules():
    assert read(b'{"keys": ["\\ud800", "\\u0000"]}').entries == ["\ud800", "\0"]


def test_pointers_and_paths_are_each_others_inverse():
    for path in ((), ("keys", 3, "scopes", 0), ("a/b", "~1", "")):
        assert path_of(pointer_of(path)) == path
    assert path_of("#/" + "9" * 5000) == ("9" * 5000,)
