"""What an upstream and its targets are asked to be, and what no gateway could use."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from django.core.exceptions import ValidationError

from momentry.common.veil import veils
from proxy.gateway import injection
from proxy.gateway.headerrules import check_rules
from proxy.models import Injection, Upstream, UpstreamModel, UsageFormat

EXAMPLE: Final = "credential"
MAX_CREDENTIAL: Final = 4096  # with the rest of a head that is 32 KiB at most
MAX_TARGETS: Final = 50


@veils("api_key")
class WantedTarget(NamedTuple):
    """``api_key``: the credential, None for none. ``keeps_key``: that of the target with this base
    URL stays instead, if there is one."""

    base_url: str
    weight: int = 1
    is_active: bool = True
    api_key: str | None = None
    keeps_key: bool = False


def check_upstream(upstream: Upstream) -> None:
    """Raises ValidationError with messages by field."""
    upstream.full_clean(validate_unique=False, validate_constraints=False)
    name, template = upstream.injection_name, upstream.injection_template
    if upstream.injection == Injection.HEADER:
        check_header("X-Example", template, "injection_template")
        check_header(name, template, "injection_name")
    elif upstream.injection == Injection.QUERY and not name:
        raise ValidationError({"injection_name": "The query parameter needs a name."})
    if upstream.usage_format == UsageFormat.NONE and needs_format(upstream):
        raise ValidationError({"usage_format": "Models are told by calls of a format only."})
    if upstream.serves_v1 and upstream.usage_format != UsageFormat.OPENAI:
        raise ValidationError({"serves_v1": "Only one whose usage format is openai."})
    try:
        check_rules(upstream.header_rules, name if upstream.injection == Injection.HEADER else "")
    except ValueError as error:
        raise ValidationError({"header_rules": str(error)}) from None


def needs_format(upstream: Upstream) -> bool:
    own = UpstreamModel.objects.filter(upstream__slug=upstream.slug)
    return upstream.models_only or own.exists()


def check_header(name: str, template: str, field: str) -> None:
    if not name:
        raise ValidationError({field: "The header needs a name."})
    try:
        injection.header(f"{name}: {template}", EXAMPLE)
    except ValueError as error:
        raise ValidationError({field: str(error)}) from None


def check_credential(text: str) -> None:
    """No field line may be broken by it (RFC 9110 §5.5). Raises ValidationError, which does not
    repeat it."""
    plain = text.isascii() and text.isprintable() and text == text.strip()
    if not text or not plain:
        raise ValidationError("Printable ASCII characters only, no blanks around them.")


def check_targets(wanted: Sequence[WantedTarget]) -> None:
    """Their number, that each base URL is there once, and their credentials. Raises
    ValidationError."""
    if len(wanted) > MAX_TARGETS:
        raise ValidationError({"targets": f"At most {MAX_TARGETS}."})
    if len({target.base_url for target in wanted}) < len(wanted):
        raise ValidationError({"targets": "A base URL is there twice."})
    for target in wanted:
        if target.api_key is not None:
            check_credential(target.api_key)
            if len(target.api_key) > MAX_CREDENTIAL:
                raise ValidationError({"targets": "A credential is too long."})
