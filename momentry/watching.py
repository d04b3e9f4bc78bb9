"""What is done about keys that leaked or behave oddly, as settings say it."""

from typing import NamedTuple

from apikeys.anomalies.settings import Thresholds, read_anomalies
from apikeys.leaks.settings import Leaks, read_leaks
from momentry.common.egress.allowed import Allowed
from momentry.common.env import Environment


class Watching(NamedTuple):
    leaks: Leaks
    anomalies: Thresholds


def read_watching(env: Environment, allowed: Allowed) -> Watching:
    """Raises ConfigurationError."""
    return Watching(read_leaks(env, allowed), read_anomalies(env))
