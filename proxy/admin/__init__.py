"""Upstreams, their targets, credentials, models and prices as staff see them."""

from proxy.admin import credentials, models, prices, upstreams

__all__ = ["credentials", "models", "prices", "upstreams"]
