"""Endpoints and deliveries of webhooks as staff see them."""

from events.webhooks.admin import deliveries, endpoints

__all__ = ["deliveries", "endpoints"]
