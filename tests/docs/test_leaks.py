"""The pattern that scanners are given is the one that keys have, and so is its checksum."""

import re
from typing import Any

from apikeys import keyformat
from tests.apikeys.leaking import minted
from tests.docs.pages import fenced, page, table_rows

PAGE = page("docs/leaks.md")


def vectors() -> list[list[str]]:
    return [row for row in table_rows(PAGE) if len(row) == 2 and re.match(r"m\w+_0f1e", row[0])]


def pattern() -> "re.Pattern[str]":
    (line,) = fenced(PAGE, "## The pattern", "")
    return re.compile(line)


def test_the_pattern_is_that_of_keys() -> None:
    for seed, prefix in enumerate(keyformat.PREFIXES):
        assert pattern().fullmatch(minted(prefix, seed))
    assert (
        keyformat.PATTERN.pattern.replace("(", "")
        .replace(")", "")
        .startswith("|".join(keyformat.PREFIXES))
    )


def test_the_page_s_own_program_judges_as_keys_are_judged() -> None:
    scope: dict[str, Any] = {}
    code = PAGE.partition("```python\n")[2].partition("\n```")[0]
    exec(code, scope)

    judged = {text: scope["has_checksum"](text) for text, _ in vectors()}

    assert judged == {text: keyformat.parse(text) is not None for text, _ in vectors()}


def test_the_vectors_are_as_the_page_says() -> None:
    assert len(vectors()) == 7
    for text, said in vectors():
        assert pattern().fullmatch(text)
        assert (keyformat.parse(text) is not None) == said.startswith("right")
