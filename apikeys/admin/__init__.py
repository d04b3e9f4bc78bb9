"""Keys, templates, tiers, grants, counters and the request log as staff see them."""

from apikeys.admin import keys, requests, rights, rules, templates, usage

__all__ = ["keys", "requests", "rights", "rules", "templates", "usage"]
