"""The kinds of events, ``subject:what``; every one is recorded through events.services.record."""

from enum import StrEnum


class Kind(StrEnum):
    APIKEY_CREATED = "apikey:created"
    APIKEY_CLAIMED = "apikey:claimed"
    APIKEY_UPDATED = "apikey:updated"
    APIKEY_DISABLED = "apikey:disabled"
    APIKEY_ENABLED = "apikey:enabled"
    APIKEY_ROTATED = "apikey:rotated"
    APIKEY_ROTATION_REQUIRED = "apikey:rotation_required"
    APIKEY_REVOKED = "apikey:revoked"
    APIKEY_QUARANTINED = "apikey:quarantined"
    APIKEY_PURGED = "apikey:purged"
    IP_RULE_CREATED = "ip-rule:created"
    IP_RULE_UPDATED = "ip-rule:updated"
    IP_RULE_DELETED = "ip-rule:deleted"
    MEMBER_CREATED = "member:created"
    MEMBER_UPDATED = "member:updated"
    MEMBER_SUSPENDED = "member:suspended"
    MEMBER_RESUMED = "member:resumed"
    MEMBER_DELETED = "member:deleted"
    CLAIM_CREATED = "claim:created"
    MAIL_RETRIED = "mail:retried"
