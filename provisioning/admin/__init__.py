"""Members, sites, claim links and the inbox as staff see them; the pages of keys get their link."""

from provisioning.admin import inbox, keys, members, sites

__all__ = ["inbox", "keys", "members", "sites"]
