"""Reports of usage: CSV, JSON, and one HTML page that prints well and asks no other machine."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.template.loader import render_to_string

from accounts.models import User
from apikeys.models import ApiKey
from apikeys.usage.charts import HEIGHT, LEFT, WIDTH, Column, amount, ranking, stacked
from apikeys.usage.query import PERIODS, Bucket, Question, read_usage
from apikeys.usage.shown import money, shown
from apikeys.usage.spans import DAY, day_of, hour_of
from momentry.common import cells
from momentry.common.errors import MomentryError

CSV, JSON, HTML = "csv", "json", "html"
MOST: Final = 50_000
MOST_ROWS: Final = 1_000  # of the page's table
HOURS_UP_TO: Final = 3 * DAY  # longer spans are drawn by day
NONE: Final = "(none)"


def read_all(asked: Question) -> list[Bucket]:
    """MomentryError invalid_input for more than MOST: a report is read by people."""
    total, buckets = read_usage(asked, limit=MOST)
    if total > MOST:
        problem = f"gives {total} lines, more than {MOST}: ask for less"
        raise MomentryError("invalid_input", errors=[{"pointer": "?group_by", "detail": problem}])
    return buckets


def write_report(asked: Question, form: str, now: datetime) -> Iterator[str]:
    if form == HTML:
        yield html(asked, now)
    elif form == JSON:
        yield json_text(asked)
    else:
        yield from csv_lines(asked)


def csv_lines(asked: Question) -> Iterator[str]:
    """Numbers as the API has them; what calls used by operation is one cell of JSON."""
    rows = (flat(bucket) for bucket in read_all(asked))
    first = next(rows, None)
    if first is None:
        first = flat(empty_bucket(asked))
        yield cells.line(first)
        return
    yield cells.line(first)
    yield cells.line(first.values())
    for row in rows:
        yield cells.line(row.values())


def empty_bucket(asked: Question) -> Bucket:
    """For the head of a report without lines."""
    group = dict.fromkeys(name for name in asked.groups if name not in PERIODS)
    return Bucket(asked.start, asked.end, group, Counter(), {})


def flat(bucket: Bucket) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in shown(bucket).items():
        if name == "group":
            row |= value
        elif name in {"tokens", "bytes"}:
            row |= {f"{name}_{part}": number for part, number in value.items()}
        else:
            row[name] = value
    return row


def json_text(asked: Question) -> str:
    buckets = [shown(bucket) for bucket in read_all(asked)]
    head = {"from": asked.start, "to": asked.end, "group_by": asked.groups}
    document = {**head, "total": len(buckets), "results": buckets}
    return json.dumps(document, ensure_ascii=False, indent=1, default=text_of) + "\n"


def text_of(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def html(asked: Question, now: datetime) -> str:
    buckets = read_all(asked)
    period = "hour" if asked.end - asked.start <= HOURS_UP_TO else "day"
    times = read_all(Question(asked.start, asked.end, (period,), asked.filters))
    sums = total_of(times)
    names = names_of(buckets)
    context = {
        "asked": asked, "now": now, "period": period, "cards": cards(sums),
        "chart": stacked(columns(asked, times, period)), "sums": sums,
        "size": {"width": WIDTH, "height": HEIGHT, "left": LEFT},
        "rankings": [(name, ranking(by(buckets, name, names))) for name in asked.groups
                     if name not in PERIODS],
        "heads": [name for name in asked.groups if name not in PERIODS],
        "rows": [line(bucket, names) for bucket in buckets[:MOST_ROWS]],
        "more": max(0, len(buckets) - MOST_ROWS),
    }  # fmt: skip
    return render_to_string("report/usage.html", context)


def total_of(buckets: list[Bucket]) -> Counter[str]:
    found: Counter[str] = Counter()
    for bucket in buckets:
        found.update(bucket.sums)
    return found


def cards(sums: Counter[str]) -> list[tuple[str, str, str]]:
    """Title, figure, remark."""
    total = sums["total_requests"]
    part = 100 / total if total else 0.0
    mean = sums["total_response_time_us"] / 1000 / total if total else 0.0
    return [
        ("Requests", f"{total:,}", ""),
        ("Successful", f"{sums['successful_requests']:,}",
         f"{sums['successful_requests'] * part:.1f} %"),
        ("Failed", f"{sums['failed_requests']:,}", f"{sums['failed_requests'] * part:.1f} %"),
        ("Response time", f"{mean:,.1f} ms", "mean"),
        ("Tokens", amount(sums["tokens_in"] + sums["tokens_out"]),
         f"{amount(sums['tokens_in'])} in, {amount(sums['tokens_out'])} out"),
        ("Cost", f"{sums['cost_micro'] / 1e6:,.2f}", "to the millionth below"),
        ("Bytes", amount(sums["bytes_in"] + sums["bytes_out"]),
         f"{amount(sums['bytes_in'])} in, {amount(sums['bytes_out'])} out"),
    ]  # fmt: skip


def columns(asked: Question, buckets: list[Bucket], period: str) -> list[Column]:
    """Every hour or day of the span, those without a call too."""
    floor = hour_of if period == "hour" else day_of
    found = {floor(bucket.start): bucket.sums for bucket in buckets}
    at, columns_found = floor(asked.start), []
    while at < asked.end:
        label = f"{at:%H:%M}" if period == "hour" else f"{at:%-d %b}"
        columns_found.append(Column(label, parts(found.get(at, Counter()))))
        at += PERIODS[period]
    return columns_found


def parts(sums: dict[str, int]) -> list[tuple[str, float]]:
    ok, failed = sums["successful_requests"], sums["failed_requests"]
    return [
        ("successful", ok), ("other", sums["total_requests"] - ok - failed), ("failed", failed),
    ]  # fmt: skip


def names_of(buckets: list[Bucket]) -> dict[Any, str]:
    """Of members and keys that are still there."""
    ids = {
        kind: {value for b in buckets if isinstance(value := b.group.get(kind), UUID)}
        for kind in ("member", "key")
    }
    members = User.objects.filter(pk__in=ids["member"]).values_list("pk", "username")
    keys = ApiKey.objects.filter(pk__in=ids["key"]).values_list("pk", "key_prefix")
    return dict(members) | {pk: f"{prefix}…" for pk, prefix in keys}


def label(value: Any, names: dict[Any, str]) -> str:
    return names.get(value) or (NONE if value in (None, "") else str(value))


def by(buckets: list[Bucket], name: str, names: dict[Any, str]) -> list[tuple[str, float]]:
    found: Counter[str] = Counter()
    for bucket in buckets:
        found[label(bucket.group[name], names)] += bucket.sums["total_requests"]
    return list(found.items())


def line(bucket: Bucket, names: dict[Any, str]) -> dict[str, Any]:
    sums = bucket.sums
    total = sums["total_requests"]
    return {
        "start": bucket.start, "end": bucket.end,
        "group": [label(value, names) for value in bucket.group.values()],
        "sums": sums, "mean": sums["total_response_time_us"] / 1000 / total,
        "cost": money(sums["cost_micro"]), "tokens": sums["tokens_in"] + sums["tokens_out"],
        "bytes": sums["bytes_in"] + sums["bytes_out"],
    }  # fmt: skip
