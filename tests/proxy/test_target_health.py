"""What is said of targets' health, by REST, in the admin and in events; what may be asked of it."""

import pytest
from django.utils import timezone

from events.models import Event
from momentry.common.models import FenceProcess
from proxy.models import DownTarget, Outage, Target, Upstream
from proxy.services.outages import tell_outages
from tests import make
from tests.apikeys.calls import pointers
from tests.proxy.calls import NEW, UPSTREAMS

pytestmark = pytest.mark.django_db
ECHO = f"{UPSTREAMS}/echo"
SOON = timezone.timedelta(minutes=5)


@pytest.fixture
def echo() -> Target:
    return make.upstream("echo").targets.get()


def living(name: str) -> str:
    FenceProcess.objects.create(id=name, acked=1, expires_at=timezone.now() + SOON)
    return name


def put_out(target: Target, process: str, reason: str = "no connection") -> Outage:
    return Outage.objects.create(
        target=target, process=process, since=timezone.now(), reason=reason
    )


def kinds() -> list[str]:
    return list(Event.objects.order_by("id").values_list("kind", flat=True))


def test_the_first_process_tells_and_the_last_one_takes_back(echo: Target) -> None:
    one, two = (put_out(echo, living(name)) for name in ("gateway:1", "gateway:2"))
    assert (tell_outages(), kinds()) == (1, ["upstream:down"])
    assert (tell_outages(), kinds()) == (0, ["upstream:down"])

    one.delete()
    assert tell_outages() == 0
    two.delete()
    assert (tell_outages(), kinds()) == (1, ["upstream:down", "upstream:up"])
    assert not DownTarget.objects.exists()


def test_who_has_ended_says_nothing(echo: Target) -> None:
    FenceProcess.objects.create(id="gateway:1", acked=1, expires_at=timezone.now() - SOON)
    put_out(echo, "gateway:1")
    put_out(echo, "gateway:2")

    assert tell_outages() == 0
    assert not Outage.objects.exists()


def test_a_target_that_is_gone_or_off_is_no_news(echo: Target) -> None:
    put_out(echo, living("gateway:1"))
    assert tell_outages() == 1

    echo.is_active = False
    echo.save()

    assert (tell_outages(), kinds()[-1]) == (1, "upstream:up")
    other = make.upstream("other").targets.get()
    put_out(other, "gateway:1")
    assert tell_outages() == 1
    Upstream.objects.all().delete()
    assert tell_outages() == 0


def test_rest_shows_since_when_and_why(admin_api, echo):
    shown = admin_api.get(ECHO).json()["targets"][0]
    assert (shown["down_since"], shown["down_reason"]) == (None, "")
    put_out(echo, living("gateway:1"), "it answered 503")
    tell_outages()

    shown = admin_api.get(ECHO).json()["targets"][0]

    assert shown["down_since"].endswith("Z")
    assert shown["down_reason"] == "it answered 503"
    given = {"targets": [{"base_url": echo.base_url, "down_since": None}]}
    assert pointers(admin_api.patch(ECHO, given)) == ["#/targets/0/down_since"]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"max_retries": 6}, "#/max_retries"), ({"max_retries": -1}, "#/max_retries"),
        ({"failure_threshold": 0}, "#/failure_threshold"),
        ({"health_interval_ms": 499}, "#/health_interval_ms"),
        ({"health_path": "well"}, "#/health_path"), ({"health_path": "/a b"}, "#/health_path"),
        ({"health_path": "/a\r\nX: y"}, "#/health_path"), ({"health_path": "/ü"}, "#/health_path"),
        ({"health_path": "/" + "x" * 200}, "#/health_path"),
    ],
    ids=str,
)  # fmt: skip
def test_what_no_gateway_could_ask_is_refused(admin_api, given, pointer):
    assert pointers(admin_api.post(UPSTREAMS, NEW | given)) == [pointer]


def test_the_admin_tells_who_is_down(client, echo):
    client.force_login(make.staff())
    Target.objects.create(upstream=echo.upstream, base_url="http://127.0.0.1:10/")
    put_out(echo, living("gateway:1"))
    tell_outages()

    listed = client.get("/admin/proxy/upstream/").content.decode()
    page = client.get(f"/admin/proxy/upstream/{echo.upstream_id}/change/").content.decode()

    assert "impaired" in listed
    assert "no connection" in page
