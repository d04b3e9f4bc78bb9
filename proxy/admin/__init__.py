"""Upstreams, their targets, credentials and prices as staff see them."""

from proxy.admin import credentials, prices, upstreams

__all__ = ["credentials", "prices", "upstreams"]
