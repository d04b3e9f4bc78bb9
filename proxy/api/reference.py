"""Examples of the OpenAPI document; the credentials are nobody's."""

from typing import Any, Final

from apikeys.api.reference import request_example

TARGET: Final[dict[str, Any]] = {
    "base_url": "https://api.example.org",
    "api_key": "sk-proj-0123456789abcdef",
}
OPENAI: Final = request_example(
    "An OpenAI-shaped API",
    {
        "slug": "llm",
        "name": "LLM",
        "injection": "header",
        "injection_name": "Authorization",
        "injection_template": "Bearer {credential}",
        "usage_format": "openai",
        "first_byte_timeout_ms": 120000,
        "targets": [TARGET],
    },
)
QUERY: Final = request_example(
    "A key in the query, two targets",
    {
        "slug": "maps",
        "name": "Maps",
        "injection": "query",
        "injection_name": "key",
        "targets": [
            {"base_url": "https://a.example.org/v2", "weight": 3, "api_key": "first-0123456789ab"},
            {"base_url": "https://b.example.org/v2", "api_key": "second-0123456789ab"},
        ],
    },
)
REPLACEMENT: Final = request_example(
    "Credentials stay",
    {
        "name": "LLM",
        "injection": "header",
        "usage_format": "openai",
        "targets": [{"base_url": "https://api.example.org"}],
    },
)
NEW_KEY: Final = request_example("A new credential", {"targets": [TARGET]})
SWITCHED_OFF: Final = request_example("Out of service", {"is_active": False})
SECOND_KEY: Final = request_example(
    "A second credential", {"api_key": "sk-proj-fedcba9876543210", "label": "from December"}
)
RETIRED_KEY: Final = request_example("The first one is sent no more", {"is_active": False})
MODEL: Final = request_example(
    "Another name, one target",
    {"name": "small", "sent_as": "gpt-4o-mini", "targets": ["https://api.example.org"]},
)
MODEL_CHANGE: Final = request_example("Its successor", {"sent_as": "gpt-4.1-mini"})
