"""Without a gateway Django itself says when a key was last used, at most once a minute."""

from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.requestlog.insert import touch_key
from tests import make

ME = "/api/v1/me"


def last_use(made):
    return ApiKey.objects.values_list("last_used_at", "version").get(pk=made.key.pk)


@pytest.mark.django_db
class TestUse:
    def test_a_request_is_a_use_and_changes_no_version(self, api):
        made = make.key()
        version, before = last_use(made)[1], timezone.now()

        assert api.get(ME, HTTP_X_API_KEY=made.secret).status_code == 200

        at, version_after = last_use(made)
        assert before <= at <= timezone.now()
        assert version_after == version

    @pytest.mark.parametrize(("seconds", "moves"), [(58, False), (62, True)])
    def test_a_use_within_a_minute_is_not_written(self, api, seconds, moves):
        made = make.key()
        earlier = timezone.now() - timedelta(seconds=seconds)
        ApiKey.objects.update(last_used_at=earlier)

        api.get(ME, HTTP_X_API_KEY=made.secret)

        assert (last_use(made)[0] > earlier) is moves

    @pytest.mark.parametrize(
        "change", [{"revoked_at": timezone.now()}, {"scopes": ["videos:read"]}]
    )
    def test_a_refused_key_was_not_used(self, api, change):
        made = make.key()
        ApiKey.objects.update(**change)

        answer = api.get("/api/v1/me/keys", HTTP_X_API_KEY=made.secret)

        assert answer.status_code in (401, 403)
        assert last_use(made)[0] is None

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_a_verified_key_is_used_unless_it_is_only_tried(self, api, dry_run):
        made, caller = make.key(), make.service_key("validator")
        body = {"key": made.secret, "dry_run": dry_run}

        answer = api.post("/api/v1/keys/verify", body, HTTP_X_API_KEY=caller.secret)

        assert answer.json()["valid"] is True
        assert (last_use(made)[0] is None) is dry_run

    def test_a_wrong_key_asked_about_uses_nothing(self, api):
        made, caller = make.key(), make.service_key("validator")
        ApiKey.objects.filter(pk=made.key.pk).update(disabled_at=timezone.now())

        api.post("/api/v1/keys/verify", {"key": made.secret}, HTTP_X_API_KEY=caller.secret)

        assert last_use(made)[0] is None


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_key_that_somebody_holds_is_not_waited_for():
    made = make.key()
    values = connection.get_connection_params()
    conninfo = {name: values[name] for name in ("dbname", "user", "password", "host", "port")
                if values.get(name)}  # fmt: skip
    with psycopg.connect(**conninfo) as holder:
        holder.execute("SELECT 1 FROM apikeys_apikey WHERE id = %s FOR UPDATE", [made.key.pk])

        touch_key(made.key.pk, timezone.now())

        assert last_use(made)[0] is None
    touch_key(made.key.pk, timezone.now())
    assert last_use(made)[0] is not None
