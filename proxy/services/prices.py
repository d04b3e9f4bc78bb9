"""Prices of tokens: set, changed and removed, each change an event. The gateways follow before the
answer (momentry.common.fence)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from events.changes import changes
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError
from proxy.models import Price


@transaction.atomic
def make_price(price: Price, *, actor: str) -> Price:
    """Raises ValidationError, or MomentryError conflict when there is one of this upstream, model
    and time."""
    write(price, is_new=True)
    record(Kind.PRICE_CREATED, actor=actor, subject=f"price:{price.pk}", **facts(price))
    return price


@transaction.atomic
def change_price(pk: UUID | str, wanted: Mapping[str, Any], *, actor: str) -> Price:
    """The price as it is now. Raises as make_price, or MomentryError not_found."""
    price = lock(pk)
    before = facts(price)
    for name, value in wanted.items():
        setattr(price, name, value)
    write(price, is_new=False)
    change = changes(before, facts(price))
    record(Kind.PRICE_UPDATED, actor=actor, subject=f"price:{pk}", **change)
    return price


@transaction.atomic
def delete_price(pk: UUID | str, *, actor: str) -> None:
    """Calls that are over keep the cost they had. Raises MomentryError not_found."""
    price = lock(pk)
    record(Kind.PRICE_DELETED, actor=actor, subject=f"price:{pk}", **facts(price))
    price.delete()


def lock(pk: UUID | str) -> Price:
    price = Price.objects.select_for_update().filter(pk=pk).first()
    if price is None:
        raise MomentryError("not_found")
    return price


def write(price: Price, *, is_new: bool) -> None:
    price.full_clean(validate_unique=False, validate_constraints=False)
    try:
        with transaction.atomic():
            price.save(force_insert=is_new)
    except IntegrityError:
        what = f"There is a price of {price.model} from this time on: change that one."
        raise MomentryError("conflict", what) from None


def facts(price: Price) -> dict[str, Any]:
    return {
        "upstream": price.upstream.slug if price.upstream is not None else None,
        "model": price.model,
        "input_micro": price.input_micro,
        "cached_micro": price.cached_micro,
        "output_micro": price.output_micro,
        "max_tokens": price.max_tokens,
        "effective_from": price.effective_from,
    }
