"""IP rules: made, changed and removed, each change an event. Processes follow within 500 ms."""

from typing import Any

from django.db import transaction

from apikeys.models import IpRule
from events.changes import changes
from events.kinds import Kind
from events.services import record


@transaction.atomic
def save_rule(rule: IpRule, *, actor: str) -> IpRule:
    """Make a rule, or change one. Raises ValidationError."""
    before = IpRule.objects.select_for_update().filter(pk=rule.pk).first()
    rule.full_clean()
    rule.save()
    if before is None:
        kind, details = Kind.IP_RULE_CREATED, facts(rule)
    else:
        kind, details = Kind.IP_RULE_UPDATED, changes(facts(before), facts(rule))
    record(kind, actor=actor, subject=f"ip-rule:{rule.pk}", **details)
    return rule


@transaction.atomic
def delete_rule(rule: IpRule, *, actor: str) -> None:
    subject, said = f"ip-rule:{rule.pk}", facts(rule)
    rule.delete()
    record(Kind.IP_RULE_DELETED, actor=actor, subject=subject, **said)


def facts(rule: IpRule) -> dict[str, Any]:
    return {
        "network": rule.network, "rule": rule.kind, "expires_at": rule.expires_at,
        "note": rule.note,
    }  # fmt: skip
