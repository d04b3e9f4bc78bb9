"""The two forms of a member: register (which makes a key too) and change."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from accounts.models import User
from accounts.services import Profile, conflict
from apikeys.models import Tier
from provisioning.services import members

if TYPE_CHECKING:
    Base = forms.ModelForm[User]
else:
    Base = forms.ModelForm

RIGHTS = ("is_staff", "is_superuser")
PROFILE = ("username", "email", "display_name", "locale")


class MemberForm(Base):
    """What staff may change; the page's save_model hands it to the services."""

    tier = forms.ChoiceField(widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "tier" in self.fields:
            self.offer_tiers(self.fields["tier"])

    def offer_tiers(self, field: Any) -> None:
        """A tier that is gone stays choosable for the member who has it."""
        choices = list(Tier.objects.values_list("slug", "name"))
        current = self.instance.tier
        if current and current not in dict(choices):
            choices.append((current, f"{current} (missing)"))
        field.choices = choices

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("is_superuser") and not cleaned.get("is_staff"):
            self.add_error("is_superuser", "Only staff can be superusers.")
        if cleaned.get("is_staff") and self.instance.site_id:
            self.add_error("is_staff", "A member of a WordPress site cannot be staff.")
        self.refuse_conflict(cleaned)
        return cleaned

    def refuse_conflict(self, cleaned: dict[str, Any]) -> None:
        """A person at a form can mend it now; the service would make the member pending."""
        if "username" not in self.fields:  # WordPress's, and not for changing here
            return
        wanted = User(pk=self.instance.pk, **{name: cleaned.get(name, "") for name in PROFILE})
        if reason := conflict(wanted):
            self.add_error(reason.partition(" ")[0], f"{reason.capitalize()}.")

    def profile(self) -> Profile:
        return Profile(**{name: self.cleaned_data[name] for name in PROFILE})


def save_changes(member: User, form: MemberForm, actor: str) -> None:
    """The profile and the rest, each through its use case."""
    if "username" in form.fields:
        members.update_profile(member, form.profile(), actor=actor)
    names = ("tier", "quota_size", "quota_daily", *RIGHTS)
    rest = {name: form.cleaned_data[name] for name in names if name in form.cleaned_data}
    members.change_member(member, actor=actor, **rest)


class RegisterForm(MemberForm):
    welcome = forms.BooleanField(
        label="Send the welcome mail",
        required=False,
        initial=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="It carries the claim link. Without it, pass the link on yourself.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tier"].initial = settings.DEFAULT_TIER
