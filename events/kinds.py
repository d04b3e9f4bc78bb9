"""The kinds of events, ``subject:what``; every one is recorded through events.services.record."""

from enum import StrEnum


class Kind(StrEnum):
    APIKEY_CREATED = "apikey:created"
    APIKEY_CLAIMED = "apikey:claimed"
    APIKEY_REVOKED = "apikey:revoked"
    MEMBER_CREATED = "member:created"
    MEMBER_UPDATED = "member:updated"
    MEMBER_SUSPENDED = "member:suspended"
    MEMBER_RESUMED = "member:resumed"
    MEMBER_DELETED = "member:deleted"
    CLAIM_CREATED = "claim:created"
    MAIL_RETRIED = "mail:retried"
