"""manage.py upstream VERB: by the services of REST, masked, no credential among the arguments."""

import io
import json
import os
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apikeys.models import Grant
from events.models import Event
from proxy.models import Target, Upstream
from tests import make
from tests.apikeys.files import Ran
from tests.gateway.households import ROOT
from tests.gateway.wire import tcp_server
from tests.proxy.calls import MASKED, OTHER, SECRET, A, B, tables_with

pytestmark = pytest.mark.django_db


def upstream(*arguments: str) -> Ran:
    out, err = StringIO(), StringIO()
    try:
        call_command("upstream", *arguments, stdout=out, stderr=err)
        code = 0
    except CommandError as error:
        code = 1
        err.write(f"{error}\n")
    assert SECRET not in out.getvalue() + err.getvalue()
    assert OTHER not in out.getvalue() + err.getvalue()
    return Ran(code, out.getvalue(), err.getvalue())


@pytest.fixture
def file(tmp_path: Any) -> Any:
    def write(text: str, name: str = "key") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def credentials() -> dict[str, str | None]:
    return {row.base_url: next(iter(make.secrets_of(row)), None) for row in Target.objects.all()}


def made(file: Any, *more: str) -> Ran:
    path = file(f"{SECRET}\n")
    return upstream("create", "llm", "--url", A, "--credential-file", path, *more)


def test_create_makes_what_rest_makes(file):
    done = made(file, "--name", "LLM", "--set", "usage_format=openai", "--set", "request_weight=3",
                "--set", "total_timeout_ms=null", "--json")  # fmt: skip

    assert (done.code, done.err) == (0, "Made llm. Nobody may call it without a grant.\n")
    shown = json.loads(done.out)
    assert (shown["name"], shown["usage_format"], shown["request_weight"]) == ("LLM", "openai", 3)
    assert (shown["injection"], shown["targets"][0]["api_key_masked"]) == ("header", MASKED)
    assert credentials() == {A: SECRET}
    assert Event.objects.get(kind="upstream:created").actor == "command"
    assert tables_with(SECRET) == []


def test_several_targets_and_none(file):
    path = file(SECRET)
    upstream("create", "two", "--url", A, "--url", B, "--credential-file", path)
    assert upstream("create", "none").code == 0

    assert credentials() == {A: SECRET, B: SECRET}
    assert Upstream.objects.get(slug="none").injection == "none"


def test_the_credential_may_come_from_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{SECRET}\r\n".encode())))
    upstream("create", "llm", "--url", A, "--credential-file", "-")

    assert credentials() == {A: SECRET}


def test_or_be_asked_for_on_a_terminal_only(monkeypatch):
    assert "no terminal" in upstream("create", "llm", "--url", A, "--ask-credential").err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _: SECRET)
    upstream("create", "llm", "--url", A, "--ask-credential")

    assert credentials() == {A: SECRET}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["create", "LLM"], "slug: "),
        (["create", "llm", "--url", "ftp://a"], "targets/0/base_url: "),
        (["create", "llm", "--url", "http://169.254.169.254"], "targets/0/base_url: "),
        (["create", "llm", "--url", A, "--url", A], "targets: "),
        (["create", "llm", "--set", "nothing=1"], "nothing: "),
        (["create", "llm", "--set", "request_weight=Infinity"], "request_weight: "),
        (["create", "llm", "--set", "usage_format=cobol"], "usage_format: "),
        (["create", "echo"], "There is an upstream echo"),
        (["update", "none", "--name", "x"], "There is no such upstream."),
        (["delete", "none", "--yes"], "There is no such upstream."),
        (["show", "none"], "There is no such upstream."),
        (["test", "none"], "There is no such"),
        (["test", "echo", "--path", "x"], "path: "),
        (["delete", "echo"], "delete with --yes"),
        (["update", "echo", "--for", A], "--for says whose"),
        (["create", "llm", "--credential-file", "/nowhere"], "/nowhere: "),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(arguments, word):
    make.upstream("echo")
    done = upstream(*arguments)

    assert (done.code, done.out) == (1, "")
    assert word in done.err
    assert list(Upstream.objects.values_list("slug", flat=True)) == ["echo"]
    assert not Event.objects.exists()


@pytest.mark.parametrize("text", ["", "\n", f"{SECRET}\n{SECRET}", SECRET * 200, "é"])
def test_an_odd_credential_is_refused_and_not_repeated(file, text):
    done = upstream("create", "llm", "--url", A, "--credential-file", file(text))

    assert done.code == 1
    assert not Upstream.objects.exists()


@pytest.mark.parametrize("name", ["targets", "api_key", "credentials", "slug"])
def test_what_holds_a_credential_is_no_argument(name):
    with pytest.raises(CommandError, match="--set"):
        call_command("upstream", "create", "llm", "--set", f"{name}={SECRET}")


def test_list_and_show_mask(file):
    made(file)
    listed, shown = upstream("list"), upstream("show", "llm")

    assert listed.out == "llm  active  1 targets  header  none  llm\n"
    assert listed.err == "1 upstreams.\n"
    assert f"  {A}  weight 1  {MASKED}\n" in shown.out
    assert json.loads(upstream("list", "--json").out)[0]["slug"] == "llm"
    assert json.loads(upstream("show", "llm", "--json").out)["slug"] == "llm"


def test_update_changes_what_is_named(file):
    made(file)
    assert (
        upstream("update", "llm", "--name", "New", "--set", "is_active=false").err == "Changed.\n"
    )
    assert upstream("update", "llm", "--name", "New").err == "It was so already.\n"

    row = Upstream.objects.get()
    assert (row.name, row.is_active, row.version) == ("New", False, 2)
    assert credentials() == {A: SECRET}


def test_urls_are_all_targets_and_keep_what_they_have(file):
    made(file)
    Target.objects.update(weight=7)
    upstream("update", "llm", "--url", B, "--url", A)

    assert credentials() == {A: SECRET, B: None}
    assert Target.objects.get(base_url=A).weight == 7
    upstream("update", "llm", "--url", B)
    assert credentials() == {B: None}


def test_a_new_credential_is_everybodys_or_of_one(file):
    made(file, "--url", B)
    path = file(OTHER, "other")
    upstream("update", "llm", "--credential-file", path, "--for", B)
    assert credentials() == {A: SECRET, B: OTHER}
    upstream("update", "llm", "--credential-file", path)
    assert credentials() == {A: OTHER, B: OTHER}

    upstream("update", "llm", "--no-credential")

    assert credentials() == {A: None, B: None}
    details = [json.loads(row.details) for row in Event.objects.filter(kind="upstream:updated")]
    assert len(details) == 3


def test_a_credential_that_is_not_sent_is_said(file):
    upstream("create", "llm", "--url", A)
    done = upstream("update", "llm", "--credential-file", file(SECRET))

    assert "Its injection is none" in done.err


def test_delete_takes_the_grants(file):
    made(file)
    Grant.objects.create(member=make.member("alice"), upstream="llm")

    assert "with 1 grants" in upstream("delete", "llm").err
    assert upstream("delete", "llm", "--yes").err == "Deleted llm.\n"
    assert not Upstream.objects.exists()
    assert not Grant.objects.filter(upstream="llm").exists()


def test_test_says_what_fails_and_by_its_exit_code():
    server = tcp_server()
    row = make.upstream("llm", f"http://127.0.0.1:{server.port}", credential=SECRET)
    good = upstream("test", "llm", "--path", "/health")
    Target.objects.create(upstream=row, base_url="http://127.0.0.1:9")
    bad = upstream("test", "llm", "--json")

    assert (good.code, good.out.split()[1]) == (0, "ok")
    assert server.heads[0].startswith(b"GET /health ")
    assert bad.code == 1
    outcomes = {each["base_url"]: each["outcome"] for each in json.loads(bad.out)["targets"]}
    assert outcomes["http://127.0.0.1:9"] == "connect"
    assert bad.err == "Not every target is well.\n"
    server.stop()


def test_a_terminal_obeys_no_name():
    Upstream.objects.create(slug="odd", name="\x1b]0;x\x07")

    assert "\x1b" not in upstream("list").out


def test_without_a_database_it_is_one_sentence():
    given = {"DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:9/x", "MOMENTRY_NO_VENV": "1"}
    done = subprocess.run(
        [sys.executable, "manage.py", "upstream", "list"], cwd=ROOT, env={**os.environ, **given},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr
