"""The events page lists every kind of event, with the names in its details."""

import re

from events.kinds import Kind
from tests.docs.pages import page, table_rows
from tests.events.payloads import told_in_a_cell

ROWS = [row for row in table_rows(page("docs/events.md")) if ":" in row[0]]
GRAMMAR = re.compile(r"[a-z]+(-[a-z]+)*:([a-z]+(_[a-z]+)*|[0-9]+)")


def test_the_events_page_has_one_row_per_kind():
    assert sorted(row[0] for row in ROWS) == sorted(Kind)


def test_the_events_page_names_what_is_in_the_details():
    written = {row[0]: row[2].replace("`", "") for row in ROWS}

    assert written == {kind.value: told_in_a_cell(kind).replace("`", "") for kind in Kind}


def test_every_kind_follows_the_grammar():
    assert [kind for kind in Kind if not GRAMMAR.fullmatch(kind) or len(kind) > 40] == []
