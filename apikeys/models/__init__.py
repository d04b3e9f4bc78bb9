"""Rows of this app: keys, tiers, grants, counters and the request log."""

from apikeys.models.key import ApiKey, KeyType, RetiredSecret
from apikeys.models.ledger import Counter
from apikeys.models.network import IpRule, RuleKind
from apikeys.models.requestlog import LogBatch, RequestLog
from apikeys.models.rights import Grant, Tier

__all__ = [
    "ApiKey",
    "Counter",
    "Grant",
    "IpRule",
    "KeyType",
    "LogBatch",
    "RequestLog",
    "RetiredSecret",
    "RuleKind",
    "Tier",
]
