"""External tokens: kept, changed and let go, each change an event that does not tell the secret."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import Site, Status, User
from events.changes import changes
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError
from momentry.common.veil import veils
from provisioning.models import ExternalToken
from provisioning.tokens.models import MAX_SECRET, Provider, State
from provisioning.tokens.registry import PROVIDERS

FIELDS: Final = ("label", "base_url", "username", "scopes")
# What the last verdict was about: another one of them is another token.
JUDGED: Final = frozenset({"token", "base_url", "username"})
Versions = frozenset[int] | None


@veils("token")
class WantedToken(NamedTuple):
    """``base_url``: "" for where the provider's server is anyway."""

    provider: str
    label: str
    token: str
    owner: User | None = None
    base_url: str = ""
    username: str = ""
    scopes: Iterable[str] = ()


@transaction.atomic
def create_token(wanted: WantedToken, *, actor: str) -> ExternalToken:
    """A new row, not yet verified. Raises ValidationError, or MomentryError conflict when the owner
    has one of this provider and label."""
    if wanted.owner is not None and wanted.owner.status == Status.DELETED:
        raise ValidationError({"owner": "This member is deleted."})
    given = wanted._asdict()
    given["base_url"] = wanted.base_url or usual_url(wanted.provider, wanted.owner)
    given["scopes"] = scopes_of(wanted.provider, wanted.scopes)
    made = ExternalToken(**given)
    made.expires_at = PROVIDERS[made.provider].expires_at(wanted.token)
    check(made)
    save(made)
    note(Kind.TOKEN_CREATED, made, actor, **shown(made))
    return made


def find_token(*, owner: User | None, provider: str, label: str) -> ExternalToken:
    """By its label. MomentryError not_found."""
    found = ExternalToken.objects.filter(owner=owner, provider=provider, label=label).first()
    if found is None:
        raise MomentryError("not_found")
    return found


@transaction.atomic
def change_token(
    token_id: UUID | str, wanted: Mapping[str, Any], *, actor: str, versions: Versions = None
) -> ExternalToken:
    """``wanted``: some of FIELDS, and ``token`` to replace the secret. Raises ValidationError and
    MomentryError not_found, conflict, precondition_failed."""
    found = lock(token_id, versions)
    given = dict(wanted)
    if "scopes" in given:
        given["scopes"] = scopes_of(found.provider, given["scopes"])
    secret = given.pop("token", None)
    changed = {name: value for name, value in given.items() if getattr(found, name) != value}
    told = changes({name: getattr(found, name) for name in changed}, changed)
    if "base_url" in changed and secret is None:
        raise ValidationError({"token": "Say it again: it is not sent to another address."})
    if secret is not None:
        changed["token"] = secret
    if not changed:
        return found
    for name, value in changed.items():
        setattr(found, name, value)
    if secret is not None:
        found.expires_at = PROVIDERS[found.provider].expires_at(secret)
    if JUDGED & set(changed):
        found.state, found.reason = State.UNVERIFIED, ""
    check(found, has_secret=secret is not None)
    found.version += 1
    save(found, *changed, "state", "reason", "expires_at", "version", "updated_at")
    note(Kind.TOKEN_UPDATED, found, actor, **{**told, "fields": sorted(changed)})
    return found


@transaction.atomic
def delete_token(
    token_id: UUID | str, *, actor: str, versions: Versions = None, revoked: bool = False
) -> None:
    """Here. ``revoked``: there too, which was done before."""
    found = lock(token_id, versions)
    note(Kind.TOKEN_DELETED, found, actor, **shown(found), revoked=revoked)
    found.delete()


@transaction.atomic
def delete_tokens_of(member: User, *, actor: str) -> int:
    """All that the member has, here only: whoever leaves takes no secret of theirs back to us."""
    rows = list(ExternalToken.objects.select_for_update().filter(owner=member).order_by("pk"))
    for row in rows:
        note(Kind.TOKEN_DELETED, row, actor, **shown(row), revoked=False)
        row.delete()
    return len(rows)


def lock(token_id: UUID | str, versions: Versions = None) -> ExternalToken:
    found = ExternalToken.objects.select_for_update().filter(pk=token_id).first()
    if found is None:
        raise MomentryError("not_found")
    if versions is not None and found.version not in versions:
        raise MomentryError("precondition_failed", f"The token is at version {found.version} now.")
    return found


def usual_url(provider: str, owner: User | None) -> str:
    """Of a WordPress, the member's own one, or the only one there is."""
    if provider != Provider.WORDPRESS:
        name = PROVIDERS[provider].setting
        found: str = getattr(settings, name)
        if not found:
            raise ValidationError({"base_url": f"Say where: {name} is not set."})
        return found
    if owner is not None and owner.site is not None:
        return owner.site.url
    sites = list(Site.objects.filter(disabled_at=None)[:2])
    if len(sites) != 1:
        raise ValidationError({"base_url": "Say where: there is not exactly one site."})
    return sites[0].url


def scopes_of(provider: str, given: Iterable[str]) -> list[str]:
    try:
        return PROVIDERS[provider].scopes_of(given)
    except ValidationError as error:
        raise ValidationError({"scopes": error.messages}) from None


def check(row: ExternalToken, *, has_secret: bool = True) -> None:
    """The secret is looked at when it is given: later its key may be lost."""
    if has_secret:
        check_secret(str(row.token))
    if PROVIDERS[row.provider].needs_username and not row.username:
        raise ValidationError({"username": f"{row.get_provider_display()} needs one."})
    left_alone = {"owner"} if has_secret else {"owner", "token"}
    row.full_clean(exclude=left_alone, validate_unique=False, validate_constraints=False)


def check_secret(text: str) -> None:
    """It goes into a header field. What is raised does not repeat it."""
    if not text.isascii() or not text.isprintable() or text != text.strip():
        fault = "Printable ASCII characters only, no blanks around them."
        raise ValidationError({"token": fault})
    if not 0 < len(text) <= MAX_SECRET:
        raise ValidationError({"token": f"1 to {MAX_SECRET} characters."})


def save(row: ExternalToken, *fields: str) -> None:
    """Only what changed, if told: a secret that does not open is in nobody's way."""
    try:
        with transaction.atomic():
            row.save(update_fields=fields or None)
    except IntegrityError:
        what = f"There is one of {row.provider} with this label already: change that one."
        raise MomentryError("conflict", what) from None


def shown(row: ExternalToken) -> dict[str, Any]:
    """What an event may tell."""
    return {
        "provider": row.provider, "label": row.label, "base_url": row.base_url,
        "owner": str(row.owner_id) if row.owner_id else None,
    }  # fmt: skip


def note(kind: Kind, row: ExternalToken, actor: str, **details: Any) -> None:
    record(kind, actor=actor, subject=f"token:{row.pk}", **details)
