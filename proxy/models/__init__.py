"""Upstreams with their targets and credentials, what tokens cost there, and who is down."""

from proxy.models.model import UpstreamModel
from proxy.models.outage import DownTarget, Outage
from proxy.models.price import MOST_MICRO, Price
from proxy.models.upstream import Injection, Target, TargetCredential, Upstream, UsageFormat

__all__ = [
    "MOST_MICRO", "DownTarget", "Injection", "Outage", "Price", "Target", "TargetCredential",
    "Upstream", "UpstreamModel", "UsageFormat",
]  # fmt: skip
