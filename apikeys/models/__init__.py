"""Rows of this app: keys, tiers, grants, counters and the request log."""

from apikeys.models.key import ApiKey, KeyType
from apikeys.models.ledger import Counter
from apikeys.models.requestlog import LogBatch, RequestLog
from apikeys.models.rights import Grant, Tier

__all__ = ["ApiKey", "Counter", "Grant", "KeyType", "LogBatch", "RequestLog", "Tier"]
