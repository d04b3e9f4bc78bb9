"""The errors page has one row per code, with the status and the retry rule of the code."""

from momentry.common.errors import CODES
from tests.docs.pages import page, table_rows


def test_the_errors_page_is_the_table_of_codes():
    rows = {row[0]: row[1:3] for row in table_rows(page("docs/errors.md")) if row[0] in CODES}
    expected = {
        code: [str(entry.status), "yes" if entry.retry else "no"] for code, entry in CODES.items()
    }

    assert rows == expected


def test_the_errors_page_names_no_code_that_does_not_exist():
    codes = [row[0] for row in table_rows(page("docs/errors.md")) if row[1].isdigit()]

    assert codes == list(CODES)
