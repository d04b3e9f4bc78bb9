"""The limit fields as Structured Fields, from limits made by hand."""

from datetime import UTC, datetime, timedelta

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeys.gate.headers import legacy_headers, limit_headers
from apikeys.gate.verdict import Limit

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MONTH = Limit("monthly", "requests", 10_000, 9_321, NOW + timedelta(days=9), 2_592_000)
SECOND = Limit("second", "requests", 20, 4, NOW + timedelta(milliseconds=300), 1)
LIFETIME = Limit("lifetime", "requests", 100, 2, None, 0)
SLOTS = Limit("concurrent", "concurrent-requests", 5, 1, None, 0)


def legacy(*limits):
    return {name.decode(): int(value) for name, value in legacy_headers(limits, NOW)}


def test_the_scarcest_that_resets_is_shown_in_the_old_fields():
    assert legacy(MONTH, LIFETIME, SECOND, SLOTS) == {
        "X-RateLimit-Limit": 20, "X-RateLimit-Remaining": 4, "X-RateLimit-Reset": 1,
    }  # fmt: skip


def test_without_any_that_resets_the_scarcest_is_shown_without_a_reset():
    assert legacy(LIFETIME, SLOTS) == {"X-RateLimit-Limit": 5, "X-RateLimit-Remaining": 1}
    assert legacy() == {}


def test_what_was_left_of_a_window_that_has_ended_is_not_told():
    later = NOW + timedelta(seconds=1)

    assert limit_headers((SECOND, MONTH), later)[1][1].startswith(b'"monthly"')
    assert [name for name, _ in limit_headers((SECOND,), later)] == [b"RateLimit-Policy"]


def test_a_window_that_has_ended_is_not_in_the_old_fields_either():
    later = NOW + timedelta(seconds=1)

    assert dict(legacy_headers((SECOND, MONTH, SLOTS), later)) == {
        b"X-RateLimit-Limit": b"10000", b"X-RateLimit-Remaining": b"9321",
        b"X-RateLimit-Reset": b"777600",
    }  # fmt: skip
    assert legacy_headers((SECOND,), later) == []


LIMITS = st.builds(
    Limit,
    st.sampled_from(["second", "minute", "key-monthly"]),
    st.sampled_from(["requests", "concurrent-requests"]),
    st.integers(1, 10**15 - 1),
    st.integers(0, 10**15 - 1),
    st.none() | st.datetimes(NOW.replace(tzinfo=None)).map(lambda at: at.replace(tzinfo=UTC)),
    st.sampled_from([0, 1, 60]),
)


@given(st.lists(LIMITS, min_size=1, max_size=12))
def test_any_limits_parse_as_structured_fields(limits):
    for _, value in limit_headers(tuple(limits), NOW):
        parsed = http_sf.parse(value, tltype="list")
        assert 0 < len(parsed) <= len(limits)


@pytest.mark.parametrize("limit", [SECOND, MONTH])
def test_the_reset_is_never_told_too_early(limit):
    seconds = legacy(limit)["X-RateLimit-Reset"]

    assert NOW + timedelta(seconds=seconds) >= limit.reset_at
