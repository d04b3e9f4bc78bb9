"""The SFTP password of the claim page: judged here, kept nowhere."""

from typing import Any, Final

from django import forms
from django.contrib.auth.password_validation import validate_password

from accounts.models import User

LONGEST: Final = 72  # bytes: what bcrypt, SFTPGo's default, takes


class PasswordForm(forms.Form):
    """``optional``: beside a key, a member may leave the password for later."""

    password = forms.CharField(
        required=False,
        strip=False,
        max_length=LONGEST,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        required=False,
        strip=False,
        max_length=LONGEST,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, member: User, optional: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.member, self.optional = member, optional

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        password = cleaned.get("password") or ""
        if password != (cleaned.get("again") or ""):
            self.add_error("again", "The two are not the same.")
        elif not password and not self.optional and not self.errors:
            self.add_error("password", "Choose a password.")
        elif password:
            self.judge(password)
        return cleaned

    def judge(self, password: str) -> None:
        if len(password.encode()) > LONGEST or not password.isprintable():
            self.add_error("password", f"At most {LONGEST} bytes, all of them printable.")
            return
        try:
            validate_password(password, self.member)
        except forms.ValidationError as error:
            self.add_error("password", error)
