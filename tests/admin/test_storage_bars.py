"""Storage as bars: numbers that are true, colours from 80, 95 and 100 %, and who is nearly full."""

import re

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from accounts.models import User
from momentry.common.bars import storage_bar
from tests import make
from tests.admin.conftest import House, clerk
from tests.admin.pages import change, changelist
from tests.admin.test_members import form

LARGEST = 2**63 - 1
HOSTILE = "<b>mallory</b>"


def stores(username: str, used: int, quota: int | None, reserved: int = 0) -> User:
    member = make.member(username, email=f"{len(username)}{used}@example.org")
    counters = {"quota_used": used, "quota_reserved": reserved, "quota_size": quota}
    User.objects.filter(pk=member.pk).update(**counters)
    return member


@pytest.mark.parametrize(
    ("used", "shade"),
    [(0, ""), (799, "primary-600"), (800, "orange-400"), (949, "orange-400"), (950, "red-400"),
     (999, "red-400"), (1000, "red-600"), (5000, "red-600")],
)  # fmt: skip
def test_a_bar_changes_its_colour_at_80_95_and_100_per_cent(used: int, shade: str) -> None:
    shown = re.findall(r"bg-(\w+-\d+)\" style=\"width", storage_bar(used, 0, 1000))

    assert shown == ([shade] if shade else [])


@pytest.mark.parametrize(
    ("used", "reserved", "quota", "said", "width"),
    [
        (512, 256, 1024, "512\xa0bytes of 1.0\xa0KB (50 %), 256\xa0bytes reserved", 75.0),
        (1023, 0, 1024, "1023\xa0bytes of 1.0\xa0KB (99 %)", 99.9),
        (2048, 1, 1024, "2.0\xa0KB of 1.0\xa0KB (200 %), 1\xa0byte reserved", 100.0),
        (2048, 0, None, "2.0\xa0KB, unlimited", 0.0),
        (0, 0, 0, "0\xa0bytes of 0\xa0bytes (0 %)", 0.0),
        (1, 0, 0, "1\xa0byte of 0\xa0bytes (100 %)", 100.0),
    ],
)  # fmt: skip
def test_a_bar_is_never_longer_than_the_whole_and_says_the_numbers(
    used: int, reserved: int, quota: int | None, said: str, width: float
) -> None:
    made = storage_bar(used, reserved, quota)

    assert f">{said}</div>" in made
    assert sum(map(float, re.findall(r"width: ([\d.]+)%", made))) == pytest.approx(width, abs=0.1)


def test_list_and_page_of_members_show_the_bar(house: House, root: Client) -> None:
    member = stores("carol", 960, 1000, reserved=20)

    for url in (changelist(User), change(User, member.pk)):
        page = root.get(url).content.decode()
        assert "960\xa0bytes of 1000\xa0bytes (96 %), 20\xa0bytes reserved" in page


def test_the_quota_of_a_day_is_set_on_the_members_page(house: House, root: Client) -> None:
    root.post(change(User, house.bob.pk), form(house.bob, quota_daily="5000"))

    house.bob.refresh_from_db()
    assert house.bob.quota_daily == 5000


def test_members_are_filtered_by_how_full_they_are(house: House, root: Client) -> None:
    found = {
        "79": stores("below", 799, 1000), "80": stores("eighty", 800, 1000),
        "95": stores("most", 950, 1000), "over": stores("over", 2000, 1000),
        "free": stores("free", 5000, None), "none": stores("nothing", 0, 0),
        "huge": stores("huge", LARGEST, LARGEST), "small": stores("small", LARGEST // 2, LARGEST),
    }  # fmt: skip
    expected = {"80": {"80", "95", "over", "huge"}, "95": {"95", "over", "huge"},
                "100": {"over", "huge"}}  # fmt: skip

    for level, names in expected.items():
        rows = root.get(changelist(User), {"filled": level}).context["cl"].result_list
        assert {row.pk for row in rows} == {found[name].pk for name in names}
    assert root.get(changelist(User), {"filled": "x"}).context["cl"].result_count == 11


def test_the_dashboard_shows_the_total_who_stores_most_and_who_is_nearly_full(
    house: House, root: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(7):
        stores(f"small{number}", 10 + number, 1000)
    stores("carol", 1024, 1200)
    stores(HOSTILE, 950, 950)
    stores("endless", 2048, None, reserved=1024)
    root.get("/admin/")

    with django_assert_max_num_queries(20):
        page = root.get("/admin/")

    most, full = page.context["boards"]
    assert [holder.name for holder in most["holders"]][:3] == ["endless", "carol", HOSTILE]
    assert [holder.name for holder in full["holders"]] == [HOSTILE, "carol"]
    assert len(most["holders"]) == 5
    body = page.content.decode()
    assert all(
        word in body for word in ("4.0\xa0KB", "1.0\xa0KB reserved", "2 nearly full, 1 full")
    )
    assert HOSTILE not in body


def test_the_dashboard_shows_no_members_to_who_may_not_see_them(house: House) -> None:
    stores("carol", 1024, 1200)

    page = clerk("view_video").get("/admin/").content.decode()

    assert "Storage used" not in page
    assert "carol" not in page
