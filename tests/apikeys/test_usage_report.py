"""manage.py usage_report: the same sums as CSV, JSON and a page that needs no other machine."""

import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apikeys.models import Grant
from apikeys.usage import report
from apikeys.usage.charts import WIDTH, Column, amount, ranking, stacked, tick
from tests import make
from tests.apikeys.logs import HOUR, call, day, log

pytestmark = pytest.mark.django_db
OUTSIDE = re.compile(r"https?://|//[a-z]|<script|@import|url\(", re.IGNORECASE)
SPAN = [f"--from={day(5):%Y-%m-%d}", f"--to={day(-1):%Y-%m-%d}"]


@pytest.fixture
def alice():
    issued = make.key(make.member("alice"))
    Grant.objects.create(member=issued.key.owner, upstream="llm")
    given = {"member_id": issued.key.owner_id, "key_id": issued.key.pk}
    log(
        call(day(3) + HOUR, total_ms=2.0, upstream="llm", tokens_in=5, cost_micro=1500, **given),
        call(day(3) + HOUR, status=500, operation="=cmd|' /C calc'!A0", **given),
        call(day(2), status=401), call(day(2), model="<script>alert(1)</script>", **given),
    )  # fmt: skip
    return issued


def written(capsys: Any, *options: str) -> str:
    call_command("usage_report", *SPAN, *options)
    return str(capsys.readouterr().out)


def test_csv_has_a_line_for_each_bucket(alice, capsys):
    rows = list(csv.DictReader(io.StringIO(written(capsys, "--group-by=day,status"))))

    assert [(row["period_start"][:10], row["status"]) for row in rows] == [
        (f"{day(2):%Y-%m-%d}", "200"), (f"{day(2):%Y-%m-%d}", "401"),
        (f"{day(3):%Y-%m-%d}", "200"), (f"{day(3):%Y-%m-%d}", "500"),
    ]  # fmt: skip
    assert (rows[2]["tokens_in"], rows[2]["cost"], rows[2]["total_response_time_ms"]) == (
        "5", "0.001500", "2.0",
    )  # fmt: skip
    assert json.loads(rows[2]["tool_usage"]) == {"llm": 1}


def test_csv_has_no_formulas(alice, capsys):
    rows = list(csv.DictReader(io.StringIO(written(capsys, "--group-by=operation"))))

    assert "'=cmd|' /C calc'!A0" in [row["operation"] for row in rows]


def test_an_empty_csv_has_its_head(db, capsys):
    text = written(capsys, "--group-by=day,upstream", "--model=none")

    assert text.count("\n") == 1
    assert text.startswith('"period_start","period_end","upstream","total_requests"')


def test_json_is_the_apis_buckets(alice, capsys, admin_api):
    found = json.loads(written(capsys, "--format=json", "--group-by=day,member"))

    answer = admin_api.get(
        "/api/v1/admin/usage",
        {"group_by": "day,member", **dict(option[2:].split("=") for option in SPAN)},
    )
    assert found["results"] == answer.json()["results"]
    assert found["group_by"] == ["day", "member"]


def test_the_page_needs_no_other_machine(alice, capsys):
    page = written(capsys, "--format=html", "--group-by=day,member,model")

    assert not OUTSIDE.search(page.replace("&lt;script", ""))
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page
    assert "&lt;script&gt;alert(1)" in page
    assert ">alice<" in page
    assert page.count("<rect") == 4


def test_the_page_draws_every_hour_of_a_short_span(alice, capsys):
    call_command("usage_report", f"--from={day(3):%Y-%m-%d}", f"--to={day(2):%Y-%m-%d}",
                 "--format=html", "--group-by=upstream")  # fmt: skip
    page = capsys.readouterr().out

    assert "Requests by hour" in page
    assert "<h2>Requests by upstream</h2>" in page


def test_a_page_of_nothing_says_so(db, capsys):
    assert "There were no calls." in written(capsys, "--format=html")


def test_a_file_is_new_and_private(alice, tmp_path: Path):
    file = tmp_path / "usage.json"
    call_command("usage_report", *SPAN, "--format=json", f"--output={file}")

    assert json.loads(file.read_text())["total"] == 2
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="Nothing was done"):
        call_command("usage_report", f"--output={file}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from=yesterday"], "--from is not a date"),
        (["--from=2026-01-01T00:30"], "--from is not on a whole hour of UTC"),
        (["--from=2026-02-01", "--to=2026-01-01"], "--from is not before the end"),
        (["--group-by=path"], "--group-by knows"), (["--status=x"], "--status A valid integer"),
        (["--member=alice"], "--member Must be a valid UUID"),
    ],
    ids=str,
)  # fmt: skip
def test_odd_options_are_one_sentence(options, said):
    with pytest.raises(CommandError, match=said):
        call_command("usage_report", *options)


def test_more_than_a_person_reads_is_refused(alice, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(report, "MOST", 1)
    file = tmp_path / "usage.csv"

    with pytest.raises(CommandError, match="--group-by gives 2 lines"):
        call_command("usage_report", *SPAN, f"--output={file}")

    assert not file.exists()


def test_bars_stand_on_each_other_inside_the_chart():
    chart = stacked([Column("a", [("ok", 3), ("bad", 1)]), Column("b", [("ok", 0)])])

    lower, upper = chart.bars
    assert upper.y + upper.height == pytest.approx(lower.y)
    assert [mark.text for mark in chart.up] == ["0", "1", "2", "3", "4"]
    assert lower.x + lower.width <= WIDTH


@pytest.mark.parametrize(
    ("most", "step"), [(0, 1), (4, 1), (5, 2), (37, 10), (100, 25), (1e6, 250_000)]
)
def test_ticks_are_round(most, step):
    assert tick(most) == step


def test_a_ranking_puts_the_small_ones_together():
    shares = ranking([(f"n{number}", number) for number in range(1, 13)], most=3)

    assert [(share.label, share.text) for share in shares] == [
        ("n12", "12"), ("n11", "11"), ("n10", "10"), ("9 others", "45"),
    ]  # fmt: skip
    assert max(share.percent for share in shares) == 100


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.25, "0.25"), (1234, "1,234"), (2_500_000, "2.5 M")]
)
def test_amounts_are_short(value, text):
    assert amount(value) == text


def test_hours_of_other_zones_are_taken_as_utc(alice, capsys):
    """+02:00 is two hours earlier in UTC."""
    start = (day(3) + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%S+02:00")

    call_command("usage_report", f"--from={start}", f"--to={day(2):%Y-%m-%d}", "--format=json")

    assert json.loads(capsys.readouterr().out)["results"][0]["total_requests"] == 2
