"""The web admin's theme."""

from typing import Any, Final

UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": "momentry",
    "SITE_HEADER": "momentry",
    "SITE_SYMBOL": "key",
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "momentry.dashboard.dashboard",
    "SIDEBAR": {"navigation": "momentry.navigation.sidebar"},
}
