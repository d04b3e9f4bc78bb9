"""Exports: masked, complete, harmless to spreadsheets, in pages that cost the same."""

import asyncio
import csv
import io
import json
import re
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from apikeys.api.exporting import TURN, next_page, pages
from apikeys.models import ApiKey, ForeignSecret, Grant, LimitOverride, RetiredSecret
from apikeys.services.bulk import export
from apikeys.services.bulk.export import COLUMNS, NAMES, Export
from apikeys.services.bulk.select import Conditions
from events.models import Event
from tests import make
from tests.apikeys.calls import KEYS, pointers
from tests.apikeys.files import apikey

pytestmark = pytest.mark.django_db
EXPORT = f"{KEYS}/export"
FORMULA = '=HYPERLINK("http://evil.example.org")'


def body(answer) -> str:
    return b"".join(answer.streaming_content).decode()


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
def issued():
    return make.key(make.member("alice"))


def test_csv_has_a_header_and_a_row_per_key(issued, admin_api):
    answer = admin_api.get(f"{EXPORT}?format=csv")
    text = body(answer)

    assert answer["Content-Type"].startswith("text/csv; charset=utf-8")
    assert re.fullmatch(
        r'attachment; filename="momentry-keys-\d{4}-\d\d-\d\d\.csv"', answer["Content-Disposition"]
    )
    assert answer["Cache-Control"] == "no-store"
    rows = {row["id"]: row for row in table(text)}
    assert set(rows) == {str(pk) for pk in ApiKey.objects.values_list("pk", flat=True)}
    row = rows[str(issued.key.pk)]
    assert tuple(row) == COLUMNS
    assert (row["owner_username"], json.loads(row["scopes"])) == ("alice", issued.key.scopes)
    assert row["is_active"] == "true"


def test_json_lines_have_every_field(issued, admin_api):
    Grant.objects.create(key=issued.key, upstream="llm", methods=["GET"])
    LimitOverride.objects.create(key=issued.key, name="requests_per_day", value=5)

    answer = admin_api.get(f"{EXPORT}?q=test key")

    (row,) = [json.loads(line) for line in body(answer).splitlines()]
    assert answer["Content-Type"] == "application/jsonl"
    assert tuple(row) == NAMES
    assert row["owner"] == {"id": str(issued.key.owner_id), "username": "alice"}
    assert row["grants"] == [{"upstream": "llm", "methods": ["GET"], "paths": [], "models": []}]
    assert row["limit_overrides"] == {"requests_per_day": 5}
    assert row["created_at"].endswith("Z")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_no_secret_digest_or_hash_gets_out(form, issued, admin_api):
    RetiredSecret.objects.create(
        key=issued.key, digest="retired-digest", ends_at=issued.key.created_at
    )
    ForeignSecret.objects.create(
        key=issued.key, format="sk-auto-", lookup="sha256:lookup", digest="sha256$foreign"
    )

    text = body(admin_api.get(f"{EXPORT}?format={form}"))

    issued.key.refresh_from_db()
    for hidden in (issued.secret, issued.key.digest, "retired-digest", "sha256", "$", "digest"):
        assert hidden not in text


def test_no_cell_of_the_csv_is_a_formula(issued, admin_api):
    User.objects.filter(pk=issued.key.owner_id).update(username="@SUM(1)")
    ApiKey.objects.filter(pk=issued.key.pk).update(
        name=FORMULA, description=f"\t{FORMULA}", service_name="\uff1dx", role="-x",
        metadata={FORMULA: f"x;{FORMULA}"}, scopes=[FORMULA], key_prefix="+x",
    )  # fmt: skip
    Grant.objects.create(key=issued.key, upstream="llm", paths=["=x"])

    text = body(admin_api.get(f"{EXPORT}?format=csv"))

    for row in csv.reader(io.StringIO(text, newline="")):
        for cell in row:
            assert cell.lstrip(' \t\r\n"')[:1] not in tuple("=+-@\uff1d\uff0b\uff0d\uff20")
            assert ";=" not in cell


def test_filters_are_those_of_the_list_and_more(issued, admin_api):
    service = make.service_key("metrics")
    ApiKey.objects.filter(pk=service.key.pk).update(metadata={"team": "video"})
    everything = ApiKey.objects.count()
    counts = {
        "key_type=service": 1, "role=metrics": 1, f"owner={issued.key.owner_id}": everything - 1,
        "active=true": 2, "active=false": everything - 2, "q=METR": 1, "metadata=team=video": 1,
        "created_before=2000-01-01T00:00:00Z": 0, "service_name=test": 1,
    }  # fmt: skip

    assert {
        query: len(body(admin_api.get(f"{EXPORT}?{query}")).splitlines()) for query in counts
    } == counts


@pytest.mark.parametrize(
    "query", ["format=xlsx", "colour=1", "ordering=name", "metadata=x", "owner=1", "active=maybe",
              "q=a&q=b"],
)  # fmt: skip
def test_what_is_no_filter_is_refused(query, admin_api):
    assert pointers(admin_api.get(f"{EXPORT}?{query}")) == ["?" + query.split("=")[0]]


def test_an_export_is_an_event(issued, admin_api):
    body(admin_api.get(f"{EXPORT}?format=csv&key_type=user"))

    event = Event.objects.get(kind="apikey:exported")
    assert (event.actor, event.subject) == ("admin-token", "keys:all")
    assert json.loads(event.details) == {"format": "csv", "conditions": {"key_type": "user"}}


def test_who_may_read_keys_may_export_them(issued, api):
    for role, status in (("metrics", 403), ("validator", 200)):
        assert api.get(EXPORT, HTTP_X_API_KEY=make.service_key(role).secret).status_code == status
    assert APIClient().get(EXPORT, HTTP_X_API_KEY=issued.secret).status_code == 403
    assert APIClient(raise_request_exception=False).get(EXPORT).status_code == 401


def test_pages_follow_the_ids_and_cost_the_same(issued, monkeypatch):
    for number in range(9):
        make.key(issued.key.owner, name=f"k{number}")
    everything = sorted(str(pk) for pk in ApiKey.objects.values_list("pk", flat=True))
    monkeypatch.setattr(export, "FIRST_PAGE", 3)
    monkeypatch.setattr(export, "PAGE", 3)

    with CaptureQueriesContext(connection) as queries:
        lines = b"".join(Export(Conditions(), "jsonl").pages()).splitlines()

    assert [json.loads(line)["id"] for line in lines] == everything
    assert not any("OFFSET" in query["sql"] for query in queries)
    assert len(queries) == 3 * 4  # keys, grants, overrides; eleven keys are four pages


def test_heavy_rows_make_small_pages(issued, monkeypatch):
    ApiKey.objects.update(metadata={"text": "x" * 60_000})
    for number in range(9):
        make.key(issued.key.owner, name=f"k{number}")
    ApiKey.objects.update(metadata={"text": "x" * 60_000})
    monkeypatch.setattr(export, "FIRST_PAGE", 2)
    monkeypatch.setattr(export, "PAGE_BYTES", 200_000)

    pages = list(Export(Conditions(), "jsonl").pages())

    assert len(pages) >= 4
    assert max(map(len, pages)) < 250_000


def test_nothing_to_export_is_a_header_or_nothing(admin_api):
    assert body(admin_api.get(EXPORT)) == ""
    assert table(body(admin_api.get(f"{EXPORT}?format=csv"))) == []


def test_the_command_writes_a_file_of_ones_own(issued, tmp_path):
    path = tmp_path / "keys.csv"

    ran = apikey("export", "--format", "csv", "--output", str(path), "--owner", "alice", "--active")

    assert (ran.code, ran.out) == (0, "")
    assert [row["name"] for row in table(path.read_text())] == ["test key"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert apikey("export", "--output", str(path)).code == 1
    assert [row["name"] for row in apikey("export", "--active").rows] == ["test key"]


def test_what_was_exported_can_be_imported_again(issued, tmp_path):
    Grant.objects.create(key=issued.key, upstream="llm", methods=["GET"])
    LimitOverride.objects.create(key=issued.key, name="requests_per_day", value=None)
    make.service_key("issuer")
    path = tmp_path / "keys.jsonl"
    apikey("export", "--output", str(path))
    before = {row["id"]: row for row in apikey("export").rows}
    ApiKey.objects.all().delete()

    assert apikey("import", "--file", str(path)).code == 0

    after = {row["id"]: row for row in apikey("export").rows}
    left_out = {"is_active", "version", "last_used_at", "rotation_due_at"}
    for key_id, row in before.items():
        assert {k: v for k, v in after[key_id].items() if k not in left_out} == {
            k: v for k, v in row.items() if k not in left_out
        }
    assert not any(row["is_active"] for row in after.values())  # no secret came along


class Slow(Export):
    """Pages that never end, each a while in coming."""

    asked = 0

    def __init__(self, conditions: Conditions, form: str) -> None:
        super().__init__(conditions, form)
        self.begun = threading.Event()

    def next_page(self) -> bytes:
        self.asked += 1
        self.begun.set()
        time.sleep(0.1)
        return b"page"


class Watched(Export):
    """A few pages, during each of which it looks whether another makes one."""

    busy = most = 0

    def next_page(self) -> bytes:
        Watched.busy += 1
        Watched.most = max(Watched.most, Watched.busy)
        time.sleep(0.01)
        Watched.busy -= 1
        self.rows += 1
        return b"page" if self.rows < 5 else b""


def drain(_: int = 0) -> int:
    """How many pages there were."""
    watched = Watched(Conditions(), "csv")
    return sum(1 for _ in iter(partial(next_page, watched), b""))


def test_exports_take_turns():
    with ThreadPoolExecutor(4) as several:
        found = list(several.map(drain, range(4)))

    assert (found, Watched.most) == ([4, 4, 4, 4], 1)


def test_a_page_that_cannot_be_made_keeps_no_other_export_waiting(monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(Watched, "next_page", Mock(side_effect=OperationalError))
        with pytest.raises(OperationalError):
            drain()

    assert not TURN.locked()
    assert drain() == 4


def test_an_export_rests_so_that_others_get_the_processor(issued, monkeypatch):
    rests: list[float] = []
    monkeypatch.setattr(export, "sleep", rests.append)
    for number in range(39):
        make.key(issued.key.owner, name=f"k{number}")

    rows = b"".join(Export(Conditions(), "jsonl").pages()).splitlines()

    assert len(rests) >= len(rows) / 16 > 2
    assert 0 < min(rests) <= max(rests) < 0.001


def test_who_leaves_while_a_page_is_read_gets_no_further_one():
    export = Slow(Conditions(), "csv")

    async def leave() -> bool:
        reading = asyncio.create_task(read_all())
        await asyncio.to_thread(export.begun.wait, 10)
        reading.cancel()
        done, _ = await asyncio.wait([reading], timeout=1)
        return reading in done

    async def read_all() -> None:
        async for _ in pages(export):
            pass

    assert (asyncio.run(leave()), export.asked) == (True, 1)
