"""Keys, templates, tiers, grants, counters, leaks and the request log as staff see them."""

from apikeys.admin import keys, leaks, requests, rights, rules, templates, usage

__all__ = ["keys", "leaks", "requests", "rights", "rules", "templates", "usage"]
