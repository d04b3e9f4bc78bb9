"""Upstreams, their targets and credentials as staff see them."""

from proxy.admin import credentials, upstreams

__all__ = ["credentials", "upstreams"]
