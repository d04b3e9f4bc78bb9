"""Several at once on one upstream: nothing is lost, and nothing comes back to life."""

from functools import partial

import pytest

from events.models import Event
from proxy.models import Target, Upstream
from proxy.services.upstreams import change_upstream, delete_upstream, make_upstream
from proxy.services.wanted import WantedTarget
from tests.apikeys.test_key_races import at_once
from tests.proxy.calls import OTHER, SECRET, A, B

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
FIRST = frozenset({1})
change = partial(change_upstream, "llm", actor="test")


def make():
    upstream = Upstream(slug="llm", name="LLM")
    return make_upstream(upstream, [WantedTarget(A, api_key=SECRET)], actor="test")


def codes(outcomes):
    return sorted(outcome if isinstance(outcome, str) else "" for outcome in outcomes)


def test_of_several_of_one_slug_one_is_made_with_its_targets():
    assert codes(at_once(make, make, make)) == ["", "conflict", "conflict"]
    assert (Upstream.objects.count(), Target.objects.count(), Event.objects.count()) == (1, 1, 1)


def test_of_several_who_saw_one_version_one_changes_it():
    make()
    calls = [partial(change, {"name": name}, versions=FIRST) for name in "abcd"]

    outcomes = at_once(*calls)

    assert codes(outcomes) == ["", *["precondition_failed"] * 3]
    assert Upstream.objects.get().version == 2


def test_changes_of_different_things_all_hold():
    make()
    wanted = {"name": "More", "request_weight": 7, "max_body_bytes": 5, "is_active": False}
    calls = [partial(change, {name: value}) for name, value in wanted.items()]

    at_once(*calls, partial(change, {}, [WantedTarget(B, api_key=OTHER)]))

    found = Upstream.objects.get()
    assert {name: getattr(found, name) for name in wanted} == wanted
    assert (found.version, found.targets.get().base_url) == (6, B)


@pytest.mark.parametrize("attempt", range(2))
def test_what_was_deleted_is_not_changed_back_to_life(attempt):
    make()
    give = partial(change, {"name": "x"}, [WantedTarget(A, weight=2), WantedTarget(B)])

    outcomes = at_once(give, partial(delete_upstream, "llm", actor="test"))

    assert codes([outcomes[0]]) in ([""], ["not_found"])
    assert outcomes[1] is None
    assert (Upstream.objects.count(), Target.objects.count()) == (0, 0)
