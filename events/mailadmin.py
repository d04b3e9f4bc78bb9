"""The mail outbox (a letter that failed can be sent again), what its letters look like, and who
does not want them."""

from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from unfold.decorators import action as unfold_action

from events import letters, mail
from events.mailmodels import Unsubscription
from events.models import WAITING, Mail
from events.topics import OF_LETTERS, Topic
from events.unsubscribing import Subscription, subscribe
from momentry.common.crypto.errors import EnvelopeError
from momentry.common.staff import (
    BLUE,
    DENIED,
    GREEN,
    ORANGE,
    RED,
    Deed,
    Order,
    ReadOnlyAdmin,
    bulk,
    button,
    column,
    link_to,
)

CHANGE: Final = "events.change_mail"
UNREADABLE: Final = "cannot be opened with the keys at hand"
LANGUAGES: Final = {letters.ENGLISH: "English", letters.CHINESE: "繁體中文"}
STATES: Final = {
    "waiting": WAITING & Q(attempts=0),
    "retrying": WAITING & Q(attempts__gt=0),
    "failed": ~Q(failed_at=None) & Q(sent_at=None),
    "sent": ~Q(sent_at=None),
    "withheld": ~Q(withheld_at=None),
}
COLOURS: Final = {
    "waiting": BLUE, "retrying": ORANGE, "failed": RED, "sent": GREEN, "withheld": BLUE,
}  # fmt: skip


def state_of(row: Mail) -> str:
    if row.sent_at is not None:
        return "sent"
    if row.failed_at is not None:
        return "failed"
    if row.withheld_at is not None:
        return "withheld"
    return "retrying" if row.attempts else "waiting"


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state) for state in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        condition = STATES.get(self.value() or "")
        return queryset.filter(condition) if condition is not None else queryset


def masked(row: Mail) -> str:
    """Enough to tell letters apart: a•••@example.org."""
    try:
        local, _, domain = (row.recipient or "").partition("@")
    except EnvelopeError:
        return UNREADABLE
    return f"{local[:1]}•••@{domain}"


def retry(row: Mail, order: Order) -> bool:
    return mail.send_again(row, actor=order.actor)


RETRY: Final = Deed("Send again", "Queued", "These letters are sent once more:", CHANGE, retry)


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin[Mail]):
    list_display = ["created_at", "template", "to", "state", "attempts", "last_error"]
    list_filter = [StateFilter, "template"]
    ordering = ["-id"]
    actions = ["retry_selected"]
    actions_list = ["preview"]
    actions_detail = ["retry_this"]
    fields = [
        ("template", "state"), ("to", "locale"), ("created_at", "sent_at"),
        ("failed_at", "withheld_at"), ("attempts", "next_attempt_at", "last_error"), "context",
    ]  # fmt: skip

    @column("to")
    def to(self, obj: Mail) -> str:
        return masked(obj)

    @column("state", badge=COLOURS)
    def state(self, obj: Mail) -> str:
        return state_of(obj)

    @bulk("Send again", CHANGE)
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Mail]) -> HttpResponse | None:
        return self.carry_out(request, queryset, RETRY)

    @button("Send again", CHANGE, icon="forward_to_inbox")
    def retry_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, RETRY)

    @unfold_action(description="What letters look like", icon="visibility")  # type: ignore[untyped-decorator]  # unfold has no types
    def preview(self, request: HttpRequest) -> HttpResponse:
        """With sample data: no row is read, and nobody's link is made."""
        if not self.has_view_permission(request):
            raise PermissionDenied(DENIED)
        names = sorted(mail.RENDERERS)
        template = request.GET.get("template", names[0])
        locale = request.GET.get("locale", letters.ENGLISH)
        if template not in names or locale not in LANGUAGES:
            raise Http404
        context = {
            "names": names, "template": template, "locale": locale, "languages": LANGUAGES,
            "letter": letters.sample_of(template, locale), "topic": OF_LETTERS.get(template),
        }  # fmt: skip
        return self.page(request, "staff/letter.html", "What letters look like", context)


def want_again(row: Unsubscription, order: Order) -> bool:
    return subscribe(Subscription(row.member, Topic(row.topic)), actor=order.actor)


AGAIN: Final = Deed(
    "Write to them again", "Letters are sent again",
    "Only if they asked for it. They get letters about this again:",
    "events.delete_unsubscription", want_again,
)  # fmt: skip


@admin.register(Unsubscription)
class UnsubscriptionAdmin(ReadOnlyAdmin[Unsubscription]):
    list_display = ["since", "who", "topic"]
    list_filter = ["topic"]
    ordering = ["-id"]
    search_fields = ["member__exact"]
    search_help_text = "Exactly the id of the member."
    fields = ["since", "who", "topic"]
    actions = ["want_selected"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """What is no id is nobody's."""
        try:
            return super().get_search_results(request, queryset, search_term)
        except ValidationError:
            return queryset.none(), False

    @column("account")
    def who(self, obj: Unsubscription) -> str:
        return link_to("accounts_user", obj.member, str(obj.member))

    @bulk("Write to them again", "events.delete_unsubscription")
    def want_selected(
        self, request: HttpRequest, queryset: QuerySet[Unsubscription]
    ) -> HttpResponse | None:
        return self.carry_out(request, queryset, AGAIN)
