"""Fields that requests about files share."""

from typing import Any, Final

from rest_framework import serializers

from momentry.common.errors import MomentryError
from momentry.common.serializers import StrictSerializer
from videos import paths
from videos.models import Processor

MOST_BYTES: Final = 2**50  # of one file: any sum of them that a quota allows is a number to SQL


class PathField(serializers.CharField):
    """As videos.paths.clean() has it."""

    def __init__(self, **given: Any) -> None:
        super().__init__(max_length=paths.LONGEST, trim_whitespace=False, **given)

    def to_internal_value(self, data: Any) -> str:
        try:
            return paths.clean(data)
        except MomentryError as error:
            problems = [one["detail"] for one in error.extra["errors"]]
            raise serializers.ValidationError(problems) from None


def size_field(*, least: int = 0, **given: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=least, max_value=MOST_BYTES, **given)


class FileInput(StrictSerializer):
    """What may be said of a file that is there."""

    sha256 = serializers.RegexField(
        r"\A[0-9A-Fa-f]{64}\Z", required=False, trim_whitespace=False, help_text="Hexadecimal."
    )
    processors = serializers.ListField(
        child=serializers.ChoiceField(Processor.choices),
        required=False,
        min_length=1,
        max_length=len(Processor),
        help_text="What to make of it; all of them without.",
    )

    def validate_sha256(self, text: str) -> str:
        return text.lower()
