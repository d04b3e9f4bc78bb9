"""A Valkey that is full must refuse, not throw counters away: is it told so? Pure."""

import re
from typing import Final

WANTED: Final = "noeviction"
POLICY: Final = re.compile(r"^maxmemory_policy:(\S+)", re.MULTILINE)


def fault_in(info: str) -> str:
    """What INFO's section "memory" says is wrong, and what to set; "" for nothing."""
    found = POLICY.search(info)
    if found is None or found[1] == WANTED:
        return ""
    return (
        f"Valkey's maxmemory-policy is {found[1]}: when it is full it throws counters away, and "
        f"limits and lock-outs start anew. Set maxmemory-policy {WANTED} in its configuration."
    )
