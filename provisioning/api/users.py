"""/api/v1/admin/users: members for scripts, n8n and staff. Staff users are not among them."""

from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts import services as accounts
from accounts.models import User
from accounts.services import Profile
from apikeys.api import reference as ref
from apikeys.api.answers import maker_of, read, versions_in
from apikeys.services.keys import issue_secret
from apikeys.services.makers import Maker, check_makes_keys
from momentry.common.errors import MomentryError
from momentry.common.idempotency import actor_of, run_once
from provisioning.api import userforms as forms
from provisioning.api import userreference as examples
from provisioning.services import members
from provisioning.services.claims import claim_url

KEYS: Final = "/api/v1/admin/keys"
CHANGE: Final = {"POST": "accounts.change_user"}
DELETE: Final = {"POST": "accounts.delete_user"}


class MemberViewSet(ListModelMixin, GenericViewSet[User]):
    """Members, newest first. Every gateway process follows a change before it is answered."""

    serializer_class = forms.MemberSerializer
    queryset = User.objects.filter(is_staff=False, is_superuser=False)
    scopes = {
        "GET": "members:read", "POST": "members:write", "PUT": "members:write",
        "PATCH": "members:write", "DELETE": "members:write",
    }  # fmt: skip
    staff_permissions = {
        "GET": "accounts.view_user", "POST": "accounts.add_user", "PUT": "accounts.change_user",
        "PATCH": "accounts.change_user", "DELETE": "accounts.delete_user",
    }  # fmt: skip
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[User]:
        rows = super().get_queryset()
        return forms.filtered(rows, self.request) if self.action == "list" else rows

    @extend_schema(
        parameters=[forms.MemberFilters],
        responses={
            200: forms.MemberSerializer(many=True), **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Members, newest first. A filter that does not exist is refused, not ignored."""
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[ref.MEMBER_ID], responses=examples.READS)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One member with its own limits, its storage and whether every system behind has
        followed. Its version is the ETag."""
        return answer(self.get_object())

    @extend_schema(
        parameters=[ref.IDEMPOTENCY_KEY],
        request=forms.NewMemberSerializer,
        responses={
            201: forms.NewMemberAnswer, **ref.problems(*ref.MAKES, "permission_denied"),
        },
        examples=[examples.NEW],
    )  # fmt: skip
    def create(self, request: Request) -> Response:
        """Make a member with a key. ``Idempotency-Key`` makes a repeat safe; the key (or with
        ``"claim": true`` the link) is in the first answer only. A tier other than that of new
        members takes a key that holds everything."""
        return run_once(request, route="admin/users", effect=lambda: self.make(request))

    def make(self, request: Request) -> Response:
        given = read(forms.NewMemberSerializer, request)
        wants_claim = given.pop("claim")
        tier = given.pop("tier", settings.DEFAULT_TIER)
        check_new_member(maker_of(request), tier)
        made = members.register_member(
            Profile(**given), actor=actor_of(request), tier=tier, welcome=False
        )
        secret = None if wants_claim else issue_secret(made.key)
        body = {
            **forms.MemberSerializer(made.member).data,
            "key_id": str(made.key.pk),
            "api_key": secret,
            "claim_url": claim_url(made.claim) if wants_claim else None,
            "rotate_url": None if wants_claim else f"{KEYS}/{made.key.pk}/rotate",
        }
        return Response(body, status=status.HTTP_201_CREATED, headers=tag(made.member))

    @extend_schema(
        parameters=[ref.MEMBER_ID, ref.IF_MATCH],
        request=forms.MemberInput,
        responses=examples.CHANGES,
        examples=[examples.REPLACEMENT, examples.PENDING],
    )
    def update(self, request: Request, pk: UUID) -> Response:
        """Replace a member: what is left out has its default. The profile of a WordPress user is
        WordPress's: it stays, and another username is 409."""
        member = self.get_object()
        return self.change(
            request, member, forms.replaced(read(forms.MemberInput, request), member)
        )

    @extend_schema(
        parameters=[ref.MEMBER_ID, ref.IF_MATCH],
        request=forms.MemberInput,
        responses=examples.CHANGES,
        examples=[examples.CHANGE, examples.PENDING],
    )
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change what is named. The profile of a WordPress user is changed there; tier, storage
        and limits take a key that holds everything, or staff."""
        member = self.get_object()
        return self.change(request, member, read(forms.MemberInput, request, partial=True))

    def change(self, request: Request, member: User, wanted: dict[str, Any]) -> Response:
        members.edit_member(member, wanted, maker=maker_of(request), versions=versions_in(request))
        return answer(self.get_object())

    @extend_schema(
        parameters=[ref.MEMBER_ID, ref.IF_MATCH],
        responses={204: None, **ref.problems(*ref.ALWAYS, "not_found", "precondition_failed")},
    )
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Delete a member: its keys are revoked for good, and after MEMBER_PURGE_DAYS its data is
        erased. Repeating it is harmless."""
        member = self.get_object()
        with transaction.atomic():
            accounts.hold(member, versions_in(request))
            members.delete_member(member, actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        parameters=[ref.MEMBER_ID],
        request=forms.SuspendInput,
        responses=examples.MOVES,
        examples=[examples.SUSPEND],
    )
    @action(detail=True, methods=["post"], staff_permissions=CHANGE)
    def suspend(self, request: Request, pk: UUID) -> Response:
        """Refuse the member's keys until it is resumed. Repeating it is harmless; 409 for who is
        pending or deleted."""
        member = self.get_object()
        given = read(forms.SuspendInput, request)
        members.suspend_member(member, actor=actor_of(request), **given)
        return answer(self.get_object())

    @extend_schema(parameters=[ref.MEMBER_ID], request=None, responses=examples.MOVES)
    @action(detail=True, methods=["post"], staff_permissions=CHANGE)
    def resume(self, request: Request, pk: UUID) -> Response:
        """Let a suspended member go on, whoever suspended it. Repeating it is harmless."""
        members.resume_member(self.get_object(), actor=actor_of(request))
        return answer(self.get_object())

    @extend_schema(
        parameters=[ref.MEMBER_ID, ref.IDEMPOTENCY_KEY],
        request=forms.RestoreInput,
        responses={
            200: forms.RestoredAnswer,
            **ref.problems(*ref.MAKES, "not_found", "permission_denied"),
        },
        examples=[examples.RESTORE],
    )
    @action(detail=True, methods=["post"], staff_permissions=DELETE)
    def restore(self, request: Request, pk: UUID) -> Response:
        """Undo a deletion before the purge. Revoked keys stay revoked: there is a fresh one to
        claim, by mail or with ``"claim": true`` by the link in this answer."""
        member = self.get_object()
        effect = lambda: self.bring_back(request, member)  # noqa: E731  one call, put off
        return run_once(request, route="admin/users/restore", effect=effect)

    def bring_back(self, request: Request, member: User) -> Response:
        wants_claim = read(forms.RestoreInput, request)["claim"]
        check_makes_keys(maker_of(request))
        made = members.restore_member(member, actor=actor_of(request), welcome=not wants_claim)
        body = {
            **forms.MemberDetail(made.member).data,
            "key_id": str(made.key.pk),
            "claim_url": claim_url(made.claim) if wants_claim else None,
        }
        return Response(body, headers=tag(made.member))

    @extend_schema(
        parameters=[ref.MEMBER_ID],
        request=forms.RenameInput,
        responses=examples.MOVES,
        examples=[examples.RENAME, examples.PENDING],
    )
    @action(detail=True, methods=["post"], staff_permissions=CHANGE)
    def rename(self, request: Request, pk: UUID) -> Response:
        """Another username or address, also for a WordPress user, whose own name WordPress keeps.
        A pending member lives with one that nobody has."""
        member = self.get_object()
        names = read(forms.RenameInput, request)
        members.rename_member(member, names, actor=actor_of(request))
        return answer(self.get_object())

    @extend_schema(
        parameters=[ref.MEMBER_ID],
        request=forms.MergeInput,
        responses=examples.MOVES,
        examples=[examples.MERGE],
    )
    @action(detail=True, methods=["post"], staff_permissions=CHANGE)
    def merge(self, request: Request, pk: UUID) -> Response:
        """Make a pending member's WordPress user that of the live member who has its name or
        address. The answer is the live member; the pending one is erased."""
        member = self.get_object()
        into = self.get_queryset().filter(pk=read(forms.MergeInput, request)["into"]).first()
        if into is None:
            problem = {"detail": "is not a member", "pointer": "#/into"}
            raise MomentryError("invalid_input", errors=[problem])
        members.merge_member(member, into, actor=actor_of(request))
        return answer(into)


def tag(member: User) -> dict[str, str]:
    return {"ETag": f'"{member.version}"'}


def answer(member: User) -> Response:
    """The member as it is now, with its version as a strong ETag."""
    return Response(forms.MemberDetail(member).data, headers=tag(member))


def check_new_member(maker: Maker, tier: str) -> None:
    """Who makes a member is handed a key, and a tier gives more than that."""
    check_makes_keys(maker)
    if tier != settings.DEFAULT_TIER and maker.key is not None and "*:*" not in maker.held:
        raise MomentryError(
            "permission_denied", f"Only a key that holds everything gives a tier like {tier}."
        )
