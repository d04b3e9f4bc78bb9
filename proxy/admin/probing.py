"""The button "Test" on the page of an upstream."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from momentry.common.staff import Deed, Order, StaffAdmin, button
from proxy.models import Upstream
from proxy.probe import Outcome
from proxy.services.probing import TargetTested, try_upstream

CHANGE = "proxy.change_upstream"


class ProbeButton(StaffAdmin[Upstream]):
    actions_detail = ["test_this"]

    @button("Test", CHANGE, icon="network_check")
    def test_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        found: list[TargetTested] = []

        def run(upstream: Any, order: Order) -> bool:
            found.extend(try_upstream(upstream.slug, actor=order.actor).targets)
            return bool(found)

        warning = (
            "One GET is sent to each active target with each of its credentials. This takes up to"
            " 10 s:"
        )
        deed = Deed("Test", "Upstreams tested", warning, CHANGE, run)
        answer = self.carry_out_one(request, object_id, deed)
        for each in found:
            level = messages.SUCCESS if each.outcome is Outcome.OK else messages.ERROR
            sent = f" with {each.credential}" if each.credential else ""
            words = f"{each.base_url}: {each.outcome} after {each.ms} ms{sent}. {each.detail}"
            self.message_user(request, words, level)
        return answer
