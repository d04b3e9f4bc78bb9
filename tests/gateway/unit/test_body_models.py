"""A model's name in a body is replaced, and nothing else of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.models import named_in, renamed
from proxy.usage import asked

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
NAMES = TEXTS.filter(lambda name: name != "model" and asked.is_read_alike({name: 0}))


@given(
    before=st.dictionaries(NAMES, VALUES, max_size=4),
    after=st.dictionaries(NAMES, VALUES, max_size=4),
    name=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
    pad=st.text(" \t\r\n", max_size=3), plain=st.booleans(),
)  # fmt: skip
def test_every_other_byte_stays(before, after, name, pad, plain):
    def members(document):
        pairs = [
            (json.dumps(k, ensure_ascii=plain), json.dumps(v, ensure_ascii=plain))
            for k, v in document.items()
        ]
        return [f"{pad}{k}{pad}:{pad}{v}{pad}" for k, v in pairs]

    def body(model):
        after_it = members({k: v for k, v in after.items() if k not in before})
        own = f'{pad}"mod\\u0065l"{pad}:{pad}{json.dumps(model)}{pad}'
        return f"{pad}{{{','.join([*members(before), own, *after_it])}}}{pad}".encode()

    found = asked.read(body("old-1"))

    assert found is not None
    assert found.model == "old-1"
    assert renamed(body("old-1"), name) == body(name)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (None, []), (b"", []), (b"a=b", []), (b"model=x&a=1&model=y", ["x", "y"]),
        (b"%6d%6Fdel=x", ["x"]), (b"MODEL=x", ["x"]), (b"model", [""]),
        (b"model=a%20b+c", ["a b c"]), (b"a=1;model=x", ["x", "x"]),
        (b"model=a;b&c", ["a;b", "a", "a"]), (b"model=a&b;model=c", ["a", "a&b", "c", "a", "c"]),
    ],
)  # fmt: skip
def test_a_query_names_models(query, names):
    assert named_in(query) == names
