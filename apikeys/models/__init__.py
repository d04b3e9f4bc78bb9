"""Rows of this app: keys, tiers, grants, counters and the request log."""

from apikeys.models.anomalies import Anomaly, AnomalyRule, KeyHour, KeyNetwork, WatchMark
from apikeys.models.holds import SettledHold
from apikeys.models.key import ApiKey, ForeignSecret, KeyType, RetiredSecret
from apikeys.models.leaks import Leak, LeakOutcome
from apikeys.models.ledger import Counter, Lease
from apikeys.models.network import IpRule, RuleKind
from apikeys.models.notices import ExpiryReminder, QuotaNotice
from apikeys.models.requestlog import LogBatch, RequestLog
from apikeys.models.rights import Grant, LimitOverride, RequestLimit, Tier
from apikeys.models.template import KeyTemplate
from apikeys.models.usage import DailyUsage, HourlyUsage, LoggedDay, UsageMark

__all__ = [
    "Anomaly",
    "AnomalyRule",
    "ApiKey",
    "Counter",
    "DailyUsage",
    "ExpiryReminder",
    "ForeignSecret",
    "Grant",
    "HourlyUsage",
    "IpRule",
    "KeyHour",
    "KeyNetwork",
    "KeyTemplate",
    "KeyType",
    "Leak",
    "LeakOutcome",
    "Lease",
    "LimitOverride",
    "LogBatch",
    "LoggedDay",
    "QuotaNotice",
    "RequestLimit",
    "RequestLog",
    "RetiredSecret",
    "RuleKind",
    "SettledHold",
    "Tier",
    "UsageMark",
    "WatchMark",
]
