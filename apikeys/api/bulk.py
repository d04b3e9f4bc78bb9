"""/api/v1/admin/keys/{batch, batch-revoke, import, export}: many keys at once."""

from typing import Any, Final

from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.api import bulkreference as shown
from apikeys.api import reference as ref
from apikeys.api.answers import maker_of, read
from apikeys.api.bulkinputs import BatchKeyInput, ImportKeyInput
from apikeys.api.conditions import ExportFilters, RevokeInput, filters_in
from apikeys.api.entries import Usual, to_import, to_issue
from apikeys.api.exporting import export_response
from apikeys.api.serializers import FOR_KEYS, IssuedKeySerializer, KeySerializer, context, grace_end
from apikeys.models import ApiKey
from apikeys.services.bulk.create import create_batch
from apikeys.services.bulk.importing import import_batch
from apikeys.services.bulk.revoke import revoke_batch
from apikeys.services.bulk.select import Conditions
from apikeys.services.keys import IssuedKey
from apikeys.services.wanted import escape
from momentry.common.errors import MomentryError
from momentry.common.idempotency import actor_of, run_once
from momentry.common.serializers import StrictSerializer

HERE: Final = "/api/v1/admin/keys"
MOST: Final = 500
NO_STORE: Final = {"Cache-Control": "no-store"}


class BatchInput(StrictSerializer):
    keys = BatchKeyInput(many=True, help_text="1 to 500.")


class ImportInput(StrictSerializer):
    keys = ImportKeyInput(many=True, help_text="1 to 500.")
    dry_run = serializers.BooleanField(default=False, help_text="Only say what is wrong.")


class BatchSerializer(serializers.Serializer[object]):
    created = serializers.IntegerField()
    keys = IssuedKeySerializer(many=True)


class MaskedSerializer(serializers.ModelSerializer[ApiKey]):
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)

    class Meta:
        model = ApiKey
        fields = ["id", "name", "key_prefix", "owner"]
        read_only_fields = fields


class RevokedSerializer(serializers.Serializer[object]):
    matched = serializers.IntegerField()
    revoked = serializers.IntegerField(help_text="0 in a dry run.")
    keys = MaskedSerializer(many=True, help_text="The first 100 of them.")


class ImportedSerializer(serializers.Serializer[object]):
    imported = serializers.IntegerField(help_text="0 in a dry run.")
    keys = MaskedSerializer(many=True)


class Everything(BaseContentNegotiation):
    """`?format=` is ours here, not a renderer's name."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next(iter(parsers), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return JSONRenderer(), JSONRenderer.media_type


class KeyBatch(APIView):
    scopes = {"POST": "keys:write"}
    staff_permissions = {"POST": "apikeys.add_apikey"}

    @extend_schema(
        operation_id="admin_keys_batch_create",
        parameters=[ref.IDEMPOTENCY_KEY],
        request=BatchInput,
        responses={201: BatchSerializer, **ref.problems(*ref.ISSUES)},
        examples=[shown.BATCH, shown.BATCH_REPLAY, shown.BATCH_PROBLEMS],
    )
    def post(self, request: Request) -> Response:
        """Issue up to 500 keys: all of them, or none and every problem in ``errors``. The secrets
        are in this answer only."""

        def effect() -> Response:
            wanted, problems = to_issue(entries_in(request, {"keys"}), Usual())
            issued = create_batch(wanted, maker=maker_of(request), problems=problems)
            body = {"created": len(issued), "keys": with_secrets(issued)}
            return Response(body, status=status.HTTP_201_CREATED, headers=NO_STORE)

        return run_once(request, route="admin/keys/batch", effect=effect)


class KeyBatchRevoke(APIView):
    scopes = {"POST": "keys:write"}
    staff_permissions = {"POST": "apikeys.delete_apikey"}

    @extend_schema(
        operation_id="admin_keys_batch_revoke",
        parameters=[ref.IDEMPOTENCY_KEY],
        request=RevokeInput,
        responses={200: RevokedSerializer, **ref.problems(*shown.REVOKES)},
        examples=[shown.REVOKE, shown.REVOKED],
    )
    def post(self, request: Request) -> Response:
        """Revoke every key that all conditions hold for, at once and for good. Look first with
        ``dry_run``, then send the number as ``expect``: another number revokes nothing."""

        def effect() -> Response:
            given = read(RevokeInput, request)
            conditions = Conditions(**given.pop("conditions"))
            done = revoke_batch(conditions, actor=actor_of(request), **given)
            rows = MaskedSerializer(done.shown, many=True).data
            return Response({"matched": done.matched, "revoked": done.revoked, "keys": rows})

        return run_once(request, route="admin/keys/batch-revoke", effect=effect)


class KeyImport(APIView):
    scopes = {"POST": "keys:write"}
    staff_permissions = {"POST": "apikeys.add_apikey"}

    @extend_schema(
        operation_id="admin_keys_import",
        parameters=[ref.IDEMPOTENCY_KEY],
        request=ImportInput,
        responses={201: ImportedSerializer, 200: ImportedSerializer, **ref.problems(*ref.ISSUES)},
        examples=[shown.IMPORT, shown.IMPORTED],
    )
    def post(self, request: Request) -> Response:
        """Import up to 500 keys, with hashes of the secrets that their clients have. All or none;
        200 after a dry run. Keys without a hash are unclaimed."""

        def effect() -> Response:
            wanted, problems = to_import(entries_in(request, {"keys", "dry_run"}), Usual())
            dry = is_dry(request)
            keys = import_batch(wanted, maker=maker_of(request), problems=problems, dry_run=dry)
            rows = MaskedSerializer(keys, many=True).data
            code = status.HTTP_200_OK if dry else status.HTTP_201_CREATED
            return Response({"imported": 0 if dry else len(keys), "keys": rows}, status=code)

        return run_once(request, route="admin/keys/import", effect=effect)


class KeyExport(APIView):
    scopes = {"GET": "keys:read"}
    staff_permissions = {"GET": "apikeys.view_apikey"}
    content_negotiation_class = Everything

    @extend_schema(
        operation_id="admin_keys_export",
        parameters=[ExportFilters],
        responses={
            (200, "application/jsonl"): OpenApiTypes.STR,
            (200, "text/csv"): OpenApiTypes.STR,
            **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
        examples=[shown.CSV_ROWS, shown.JSON_LINES_ROWS],
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Every key that the filters let through, masked, in the order of their ids."""
        conditions, form = filters_in(request)
        return export_response(request._request, conditions, form, actor=actor_of(request))


def entries_in(request: Request, known: set[str]) -> list[Any]:
    """The entries, unread; what is wrong around them is told before anything else."""
    data = request.data
    entries = data.get("keys") if isinstance(data, dict) else None
    problems = []
    if not isinstance(data, dict):
        problems = [{"detail": "must be an object", "pointer": "#"}]
    else:
        unknown = sorted(set(data) - known)
        problems = [{"detail": "is not a field of this request", "pointer": f"#/{escape(name)}"}
                    for name in unknown]  # fmt: skip
    if not isinstance(entries, list) or not 1 <= len(entries) <= MOST:
        problems.append({"detail": f"must be a list of 1 to {MOST} keys", "pointer": "#/keys"})
    if problems or not isinstance(entries, list):
        raise MomentryError("invalid_input", errors=problems)
    return entries


def is_dry(request: Request) -> bool:
    data: Any = request.data
    value = data.get("dry_run", False)
    if isinstance(value, bool):
        return value
    problem = {"detail": "must be true or false", "pointer": "#/dry_run"}
    raise MomentryError("invalid_input", errors=[problem])


def with_secrets(issued: list[IssuedKey]) -> list[dict[str, Any]]:
    """In the order of the request; a few queries for all of them."""
    now = timezone.now()
    rows = ApiKey.objects.filter(pk__in=[one.key.pk for one in issued]).select_related("owner")
    rows = rows.annotate(grace_ends_at=grace_end(now)).prefetch_related(*FOR_KEYS)
    shared = context(now)
    about = {key.pk: KeySerializer(key, context=shared).data for key in rows}
    return [
        {**about[key.pk], "api_key": secret, "rotate_url": f"{HERE}/{key.pk}/rotate"}
        for key, secret in issued
    ]
