"""Keys, templates, tiers, grants, counters, leaks, anomalies, the request log as staff see them."""

from apikeys.admin import anomalies, keys, leaks, requests, rights, rules, templates, usage

__all__ = ["anomalies", "keys", "leaks", "requests", "rights", "rules", "templates", "usage"]
