"""Every write to a member's own row; whatever touches keys or other systems is in provisioning."""

from accounts.services.links import hand_over, link, profile_of, rename, update_for_site
from accounts.services.profiles import (
    Profile,
    change_member,
    conflict,
    create_member,
    groups_of,
    hold,
    note_groups,
    refuse_deleted,
    update_profile,
)
from accounts.services.states import (
    erase,
    is_of_site,
    mark_deleted,
    mark_restored,
    resolve,
    resume,
    resume_for_site,
    suspend,
    suspend_for_site,
)

__all__ = [
    "Profile",
    "change_member",
    "conflict",
    "create_member",
    "erase",
    "groups_of",
    "hand_over",
    "hold",
    "is_of_site",
    "link",
    "mark_deleted",
    "mark_restored",
    "note_groups",
    "profile_of",
    "refuse_deleted",
    "rename",
    "resolve",
    "resume",
    "resume_for_site",
    "suspend",
    "suspend_for_site",
    "update_for_site",
    "update_profile",
]
