"""LOG-05: no cell of an export is a formula to a spreadsheet."""

import csv
import io
import json
import sys
import unicodedata

import pytest

from momentry.common import cells

HOSTILE = [
    "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\tx", "\rx", "\n=x", "  =1", '"=1', "'=1",
    "\u3000=1", "\u200b=1", "\ufeff=1", "\x00=1", ' "\'  =1', "\x1f@x",
    "\uff1d=1", "\uff0b=1", "\uff0d=1", "\uff20=1", "\u2212=1", "\uff02=1", "\uff07\uff0b1",
]  # fmt: skip
INSIDE = ["a;=1", "a;  +1", "a\n=1", "a\r\n@x", "a\t-1", 'x";=1']
FILLERS = "\u034f\u115f\u1160\u2800\u3164\uffa0"
UNSEEN = [
    char
    for char in map(chr, range(0x80, sys.maxunicode + 1))
    if char in FILLERS or unicodedata.category(char) in ("Cc", "Cf", "Mn", "Zl", "Zp", "Zs")
]
HARMLESS = ["Laptop", "a=b", "a - b", "x@example.org", "1-2", "é", "", "O'Neil", '{"a": -1}']


def parsed(text: str) -> str:
    ((value,),) = csv.reader(io.StringIO(cells.line([text]), newline=""))
    return value


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
def test_what_begins_like_a_formula_gets_an_apostrophe(text):
    assert parsed(text)[0] == "'"
    assert parsed(text).replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("text", INSIDE, ids=repr)
def test_nor_does_one_begin_where_another_separator_stands(text):
    value = parsed(text)

    for separator in ";\t\r\n":
        for part in value.split(separator)[1:]:
            assert part.lstrip(' "\r\n\t')[:1] not in tuple("=+-@")
    assert value.replace("'", "") == text


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\u208c"])
def test_no_character_that_is_not_seen_hides_a_formula(sign):
    assert {"\u061c", "\ufe0f", "\u2066", "\u2069", "\U000e0020"} < set(UNSEEN)
    for char in UNSEEN:
        assert cells.harmless(f"{char}{sign}1") == f"'{char}{sign}1", hex(ord(char))
        assert cells.harmless(f"é;{char} {char}{sign}1") == f"é;{char} {char}'{sign}1"
    assert cells.harmless(f"{''.join(UNSEEN)}{sign}1")[0] == "'"


@pytest.mark.parametrize("text", ["e\u0301=1", "\u3164a=1", "a\u200b=1", "\u0430-1", "é;e\u0301=1"])
def test_a_sign_after_something_that_is_seen_is_none(text):
    assert cells.harmless(text) == text


@pytest.mark.parametrize("text", HARMLESS, ids=repr)
def test_everything_else_is_left_as_it_is(text):
    assert parsed(text) == text


def test_lines_are_rfc_4180():
    values = ['say "hi"', "a,b", "line\nbreak", None, True, 3, ["a"], {"é": 1}]

    line = cells.line(values)

    assert line.endswith('"\r\n')
    assert '"say ""hi"""' in line
    (row,) = csv.reader(io.StringIO(line, newline=""))
    assert row == ['say "hi"', "a,b", "line\nbreak", "", "true", "3", '["a"]', '{"é": 1}']
    assert json.loads(row[7]) == {"é": 1}
