"""StrictSerializer: a write with a field we do not know is refused, never half understood."""

from typing import Any

from rest_framework import serializers


class StrictSerializer(serializers.Serializer[Any]):
    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := set(data) - set(self.fields)):
            raise serializers.ValidationError(
                {str(name): ["is not a field of this request"] for name in sorted(unknown)}
            )
        return super().to_internal_value(data)
