"""How full members' storage is, as conditions on their counters: nothing else is read for it."""

from typing import Final

from django.db.models import Case, DecimalField, ExpressionWrapper, F, Q, Value, When
from django.db.models.functions import Cast

# A quota of 2^63 - 1 times a hundred is no bigint.
EXACT: Final = DecimalField(max_digits=24, decimal_places=4)
ALL: Final = 100


def filled(per_cent: int) -> Q:
    """Who has used that much of the quota, and anything at all."""
    bound = ExpressionWrapper(Cast("quota_size", EXACT) * per_cent / ALL, output_field=EXACT)
    return Q(quota_used__gt=0, quota_size__isnull=False) & Q(quota_used__gte=bound)


def share() -> Case:
    """Per cent used, to order by; null without a quota."""
    part = ExpressionWrapper(Cast("quota_used", EXACT) * ALL / F("quota_size"), output_field=EXACT)
    return Case(When(quota_size__gt=0, then=part), When(quota_size=0, then=Value(ALL)),
                default=None, output_field=EXACT)  # fmt: skip
