"""Members, sites, claim links, tasks and the inbox as staff see them; keys get their link."""

from provisioning.admin import inbox, keys, members, reconciliations, sites, tasks, tokens

__all__ = ["inbox", "keys", "members", "reconciliations", "sites", "tasks", "tokens"]
