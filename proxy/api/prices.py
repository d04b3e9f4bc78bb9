"""/api/v1/admin/prices: what the tokens of models cost, from which time on."""

from typing import Any, Final

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.api import reference as ref
from apikeys.api.answers import read
from apikeys.api.filters import read_filters
from momentry.common.idempotency import actor_of, run_once
from momentry.common.serializers import StrictSerializer
from proxy.models import MOST_MICRO, Price, Upstream
from proxy.services.prices import change_price, delete_price, make_price

HERE: Final = "/api/v1/admin/prices"
READ: Final = "upstreams:read"
WRITE: Final = "upstreams:write"
EXAMPLE: Final = ref.request_example(
    "1.25 and 10.00 for a million tokens",
    {"upstream": "llm", "model": "gpt-5*", "input_micro": 1250000, "cached_micro": 125000,
     "output_micro": 10000000, "max_tokens": 16384, "effective_from": "2027-01-01T00:00:00Z"},
)  # fmt: skip
NULLED: Final = ref.request_example("As what is read", {"cached_micro": None})


def millionths(help_text: str, **given: Any) -> serializers.IntegerField:
    what = f"{help_text} Millionths of the currency for 1,000,000 tokens."
    return serializers.IntegerField(min_value=0, max_value=MOST_MICRO, help_text=what, **given)


class PriceInput(StrictSerializer):
    """What is left out of a change stays as it is."""

    upstream = serializers.SlugField(
        max_length=60, required=False, allow_null=True, help_text="Its slug; null: all of them."
    )
    model = serializers.CharField(
        max_length=100, help_text="As the upstream names it; a `*` at its end stands for anything."
    )
    input_micro = millionths("What is read.")
    cached_micro = millionths(
        "What is read from a cache; null: as what is read.", required=False, allow_null=True
    )
    output_micro = millionths("What is written, reasoning too.")
    max_tokens = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=10**9,
        help_text="Of one answer, where the call does not say; held of budgets. Null: 4,096.",
    )  # fmt: skip
    effective_from = serializers.DateTimeField(required=False, help_text="Now, if left out.")

    def validate_upstream(self, slug: str | None) -> Upstream | None:
        if slug is None:
            return None
        found = Upstream.objects.filter(slug=slug).first()
        if found is None:
            raise serializers.ValidationError("There is no such upstream.")
        return found


class PriceSerializer(serializers.ModelSerializer[Price]):
    upstream = serializers.SlugRelatedField[Upstream](slug_field="slug", read_only=True)

    class Meta:
        model = Price
        fields = [
            "id", "upstream", "model", "input_micro", "cached_micro", "output_micro", "max_tokens",
            "effective_from", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields


class PriceFilters(serializers.Serializer[Any]):
    upstream = serializers.SlugField(required=False, help_text="Of this one alone.")
    model = serializers.CharField(required=False, max_length=100, help_text="As it is written.")


class PriceViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Price]):
    """Every gateway process follows a change before it is answered."""

    serializer_class = PriceSerializer
    queryset = Price.objects.select_related("upstream").order_by("-created_at", "-id")
    scopes = {"GET": READ, "POST": WRITE, "PATCH": WRITE, "DELETE": WRITE}
    staff_permissions = {
        "GET": "proxy.view_price", "POST": "proxy.add_price",
        "PATCH": "proxy.change_price", "DELETE": "proxy.delete_price",
    }  # fmt: skip
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Price]:
        rows = super().get_queryset()
        if self.action != "list":
            return rows
        wanted = read_filters(PriceFilters, self.request)
        if "upstream" in wanted:
            rows = rows.filter(upstream__slug=wanted["upstream"])
        return rows.filter(model=wanted["model"]) if "model" in wanted else rows

    @extend_schema(
        parameters=[PriceFilters],
        responses={
            200: PriceSerializer(many=True), **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Prices, newest first, those to come and those of before too. A filter that does not exist
        is refused."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        parameters=[ref.IDEMPOTENCY_KEY],
        request=PriceInput,
        responses={201: PriceSerializer, **ref.problems(*ref.MAKES)},
        examples=[EXAMPLE],
    )
    def create(self, request: Request) -> Response:
        """Set a price from a time on; calls of before keep theirs. A second one of the same
        upstream, model and time is 409."""

        def effect() -> Response:
            price = Price(**read(PriceInput, request))
            made = make_price(price, actor=actor_of(request))
            where = {"Location": f"{HERE}/{made.pk}"}
            return Response(
                PriceSerializer(made).data, status=status.HTTP_201_CREATED, headers=where
            )

        return run_once(request, route="admin/prices", effect=effect)

    @extend_schema(
        request=PriceInput,
        responses={200: PriceSerializer, **ref.problems(*ref.WRITES, "invalid_input")},
        examples=[NULLED],
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is named. Calls that are over keep the cost they had."""
        wanted = read(PriceInput, request, partial=True)
        changed = change_price(pk, wanted, actor=actor_of(request))
        return Response(PriceSerializer(changed).data)

    @extend_schema(responses={204: None, **ref.problems(*ref.WRITES)})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a price."""
        delete_price(pk, actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
