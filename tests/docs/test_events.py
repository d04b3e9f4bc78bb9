"""The events page lists every kind of event."""

from events.kinds import Kind
from tests.docs.pages import page, table_rows


def test_the_events_page_has_one_row_per_kind():
    rows = [row[0] for row in table_rows(page("docs/events.md")) if ":" in row[0]]

    assert sorted(rows) == sorted(Kind)
