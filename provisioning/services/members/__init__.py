"""The use cases of a member across its row, its keys, its mail and the systems behind it."""

from provisioning.services.members.arrive import Registered, arrive_from_site, register_member
from provisioning.services.members.change import (
    change_member,
    change_quota,
    change_tier,
    update_for_site,
    update_profile,
)
from provisioning.services.members.conflicts import (
    merge_member,
    rename_member,
    resolve_member,
    resolve_waiting,
)
from provisioning.services.members.edit import edit_member
from provisioning.services.members.purge import purge_members, purgeable
from provisioning.services.members.states import (
    delete_member,
    restore_member,
    resume_for_site,
    resume_member,
    suspend_for_site,
    suspend_member,
)
from provisioning.services.members.welcome import welcome

__all__ = [
    "Registered",
    "arrive_from_site",
    "change_member",
    "change_quota",
    "change_tier",
    "delete_member",
    "edit_member",
    "merge_member",
    "purge_members",
    "purgeable",
    "register_member",
    "rename_member",
    "resolve_member",
    "resolve_waiting",
    "restore_member",
    "resume_for_site",
    "resume_member",
    "suspend_for_site",
    "suspend_member",
    "update_for_site",
    "update_profile",
    "welcome",
]
