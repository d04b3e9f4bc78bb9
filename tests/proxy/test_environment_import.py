"""UPSTREAMS of the environment: imported once, all or none, and never against staff's wishes."""

import json

import pytest

from events.models import Event
from momentry.common.egress.allowed import NOTHING
from momentry.common.env import ConfigurationError, Environment
from momentry.seed import point_echo_at, seed_upstreams
from proxy.environment import GivenUpstream, read_upstreams
from proxy.models import Target, Upstream
from proxy.services.environment import import_environment
from proxy.services.upstreams import delete_upstream
from tests import make
from tests.proxy.calls import SECRET, tables_with

BASE = "http://a.test:8001/v1"
GIVEN = {
    "UPSTREAMS": "llm, n8n-eu",
    "UPSTREAM_LLM_URL": BASE,
    "UPSTREAM_LLM_API_KEY": SECRET,
    "UPSTREAM_N8N_EU_URL": "http://b.test",
}


def imported(**changed: str) -> tuple[str, ...]:
    return import_environment(Environment(GIVEN | changed))


def refusal(**changed: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        imported(**changed)
    return caught.value


def slugs() -> list[str]:
    return list(Upstream.objects.values_list("slug", flat=True))


def test_an_empty_table_gets_them_through_the_services(db):
    assert imported() == ("llm", "n8n-eu")

    found = {
        target.upstream.slug: (target.base_url, target.upstream.injection, *make.secrets_of(target))
        for target in Target.objects.select_related("upstream")
    }
    assert found == {"llm": (BASE, "header", SECRET), "n8n-eu": ("http://b.test", "none")}
    events = Event.objects.filter(kind="upstream:created").order_by("id")
    assert [(event.actor, event.subject) for event in events] == [
        ("environment", "upstream:llm"), ("environment", "upstream:n8n-eu"),
    ]  # fmt: skip
    assert json.loads(events[0].details)["targets"][0]["credential"] == "new"
    assert tables_with(SECRET) == []


def test_once_is_once(db):
    imported()
    Upstream.objects.all().delete()  # by nobody who says so

    assert imported() == ()
    assert slugs() == []


def test_a_deleted_upstream_does_not_come_back(db):
    imported()
    delete_upstream("llm", actor="test")

    assert imported() == ()
    assert slugs() == ["n8n-eu"]


def test_a_table_that_was_emptied_on_purpose_stays_empty(db):
    make.upstream("own")
    delete_upstream("own", actor="test")

    assert imported() == ()
    assert slugs() == []


def test_a_table_with_upstreams_is_left_alone(db):
    make.upstream("own")

    assert imported() == ()
    assert slugs() == ["own"]


def test_the_bundled_echo_does_not_count(db):
    point_echo_at("http://127.0.0.1:3990")

    assert imported() == ("llm", "n8n-eu")
    assert slugs() == ["echo", "llm", "n8n-eu"]


def test_the_bundled_echo_is_not_replaced(db):
    given = {"UPSTREAMS": "echo", "UPSTREAM_ECHO_URL": BASE}
    with pytest.raises(ConfigurationError, match="UPSTREAMS names echo, which `up` brings"):
        seed_upstreams(Environment(given | {"MOMENTRY_ECHO_URL": "http://127.0.0.1:3990"}))
    point_echo_at("http://127.0.0.1:3990")
    with pytest.raises(ConfigurationError, match="UPSTREAMS names echo, which there is already"):
        import_environment(Environment(GIVEN | given | {"UPSTREAMS": "llm,n8n-eu,echo"}))

    assert slugs() == ["echo"]


def test_no_upstreams_named_decides_nothing(db):
    assert imported(UPSTREAMS="") == ()
    assert imported() == ("llm", "n8n-eu")


def test_a_file_may_hold_the_credential(db, tmp_path):
    path = tmp_path / "key"
    path.write_text(f"{SECRET}\n")

    imported(UPSTREAM_LLM_API_KEY="", UPSTREAM_LLM_API_KEY_FILE=str(path))

    assert make.secrets_of(Target.objects.get(base_url=BASE)) == [SECRET]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("UPSTREAMS", "LLM"),
        ("UPSTREAMS", "a_b"),
        ("UPSTREAMS", "llm,llm"),
        ("UPSTREAMS", "x" * 61),
        ("UPSTREAMS", ",".join(f"u{number}" for number in range(201))),
        ("UPSTREAM_N8N_EU_URL", ""),
        ("UPSTREAM_N8N_EU_URL", "b.test"),
        ("UPSTREAM_N8N_EU_URL", "ftp://b.test"),
        ("UPSTREAM_N8N_EU_URL", "http://user:hunter2@b.test"),
        ("UPSTREAM_N8N_EU_URL", "http://b.test/?key=hunter2"),
        ("UPSTREAM_N8N_EU_URL", "http://b.test:hunter2"),
        ("UPSTREAM_N8N_EU_URL", "http://169.254.169.254/latest"),
        ("UPSTREAM_N8N_EU_URL", "http://2130706433/"),
        ("UPSTREAM_N8N_EU_URL", "http://b.test/" + "x" * 200),
        ("UPSTREAM_N8N_EU_API_KEY", "hunter2\nInjected: 1"),
        ("UPSTREAM_N8N_EU_API_KEY", "hunter2-é"),
        ("UPSTREAM_N8N_EU_API_KEY", "hunter2" * 600),
    ],
)
def test_a_bad_value_names_its_variable_and_imports_nothing(db, variable, value):
    error = refusal(**{variable: value})

    assert error.variable == variable
    assert str(error).startswith(variable)
    assert "hunter2" not in str(error)
    assert "169.254" not in str(error)
    assert slugs() == []
    assert imported() == ("llm", "n8n-eu")


def test_a_file_that_is_missing_names_its_variable(db):
    error = refusal(UPSTREAM_LLM_API_KEY="", UPSTREAM_LLM_API_KEY_FILE="/nowhere")

    assert error.variable == "UPSTREAM_LLM_API_KEY_FILE"
    assert slugs() == []


def test_nothing_prints_the_credential():
    (given, _) = read_upstreams(Environment(GIVEN), NOTHING)

    assert given == GivenUpstream("llm", BASE, SECRET)
    assert SECRET not in repr(given)
