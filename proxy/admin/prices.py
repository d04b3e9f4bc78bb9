"""What tokens cost, as staff see and set it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apikeys.admin.refusals import RefusalsShown
from momentry.common.staff import StaffAdmin, actor_of, column
from proxy.models import Price
from proxy.services.prices import change_price, delete_price, make_price


@admin.register(Price)
class PriceAdmin(RefusalsShown[Price], StaffAdmin[Price]):
    list_display = [
        "model", "of", "input_micro", "cached_micro", "output_micro", "effective_from",
    ]  # fmt: skip
    list_filter = ["upstream"]
    list_select_related = ["upstream"]
    search_fields = ["model", "upstream__slug"]
    fields = [
        ("model", "upstream"), ("input_micro", "cached_micro", "output_micro"), "max_tokens",
        "effective_from",
    ]  # fmt: skip

    @column("upstream", order="upstream__slug")
    def of(self, obj: Price) -> str:
        return obj.upstream.slug if obj.upstream is not None else "all"

    def save_model(self, request: HttpRequest, obj: Price, form: Any, change: bool) -> None:
        actor = actor_of(request)
        if change:
            wanted = {name: form.cleaned_data[name] for name in form.changed_data}
            change_price(obj.pk, wanted, actor=actor)
        else:
            make_price(obj, actor=actor)

    def delete_model(self, request: HttpRequest, obj: Price) -> None:
        delete_price(obj.pk, actor=actor_of(request))
