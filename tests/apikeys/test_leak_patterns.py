"""Where keys are seen in bytes: whatever stands around them, at every border of a piece, in UTF-16;
and that nothing else is taken for one."""

import random

import pytest

from apikeys import keyformat
from apikeys.leaks import reading
from apikeys.leaks.patterns import OVERLAP, imported, imported_in, own_in
from apikeys.leaks.reading import Hit, Searcher
from tests.apikeys.leaking import look_alike, minted

KEY = minted()
AROUND = [
    (b"", b""), (b'{"key": "', b'"}'), (b"say\\n", b"\\n"), (b"?api_key=%22", b"%22&x=1"),
    (b"x", b"y"), (b"_", b"_"), (b"\x00\xff", b"\xfe\x00"), (b"Bearer ", b"\r\n"),
    (b"muser_", b""), (b"muser_" + b"0" * 32 + b"_", b""),
]  # fmt: skip


def search(data: bytes, piece: int = 1 << 16, **given: object) -> list[Hit]:
    """As a stream that gives at most so many bytes at once."""
    left = [data]

    def fill(view: memoryview) -> int:
        count = min(len(view), piece, len(left[0]))
        view[:count] = left[0][:count]
        left[0] = left[0][count:]
        return count

    return list(Searcher(**given).search(fill))


def texts(hits: list[Hit]) -> list[str]:
    return [hit.candidate.texts[0] for hit in hits]


@pytest.mark.parametrize("prefix", keyformat.PREFIXES)
def test_keys_of_every_prefix_are_seen(prefix: str) -> None:
    key = minted(prefix)

    (found,) = own_in(key.encode(), 0, len(key))

    assert (found.start, found.texts, found.is_own) == (0, (key,), True)
    assert found.shown == f"{prefix}_00000000…****"


@pytest.mark.parametrize(("before", "after"), AROUND)
def test_nothing_around_a_key_hides_it(before: bytes, after: bytes) -> None:
    (hit,) = search(before + KEY.encode() + after)

    assert (hit.candidate.texts, hit.offset) == ((KEY,), len(before))


@pytest.mark.parametrize("coding", ["utf-16-le", "utf-16-be", "utf-16"])
def test_keys_in_utf_16_are_seen(coding: str) -> None:
    text = f"$env:KEY = '{KEY}'\r\n"

    assert texts(search(text.encode(coding))) == [KEY]


def test_a_key_inside_of_what_only_looks_like_one_is_seen() -> None:
    """The outer text has the form; the inner begins within its random part."""
    outer = f"muser_{'0' * 32}_0_{'a' * 38}"

    assert texts(search(f"{outer}{KEY}".encode())) == [KEY]


@pytest.mark.parametrize("piece", [1, 7, 100, 1 << 20])
def test_keys_at_every_border_of_pieces_are_seen_once(monkeypatch, piece: int) -> None:
    monkeypatch.setattr(reading, "PIECE", 300)
    keys = [minted(seed=seed) for seed in range(40)]
    spaces = random.Random(1)
    text = "".join(key + "\n" * spaces.randrange(200) for key in keys)

    hits = search(text.encode(), piece)

    assert texts(hits) == keys
    assert [hit.offset for hit in hits] == [text.index(key) for key in keys]
    assert [hit.line for hit in hits] == [text.count("\n", 0, text.index(key)) + 1 for key in keys]


def test_a_key_at_the_very_end_is_seen() -> None:
    assert texts(search(b"x" * (OVERLAP + reading.PIECE) + KEY.encode())) == [KEY]


def test_look_alikes_are_not_taken_for_keys() -> None:
    changed = [look_alike(KEY), KEY.upper(), KEY[:-1], KEY.replace("muser", "madm"), KEY[1:]]
    places = random.Random(2)
    for _ in range(2000):
        place = places.randrange(6, len(KEY))
        letter = places.choice(keyformat.BASE62.replace(KEY[place], ""))
        changed.append(KEY[:place] + letter + KEY[place + 1 :])

    assert search("\n".join(changed).encode()) == []


def test_imported_secrets_are_seen_by_what_they_begin_with() -> None:
    secret = "sk-auto-Zm9vYmFyYmF6MTIzNDU2Nzg5"
    pattern = imported(["sk-auto-", "pk_live_"])
    assert pattern is not None

    for text in (f'key="{secret}",', f"{secret}.", f"({secret})", f"{secret}\n", f"a={secret}&b=1"):
        (found, *_) = imported_in(pattern, text.encode(), 0, len(text))
        assert secret in found.texts
        assert found.shown == "sk-auto-…****"


def test_without_formats_nothing_imported_is_looked_for() -> None:
    assert imported([]) is None


def test_no_repr_tells_a_key() -> None:
    (hit,) = search(KEY.encode())

    assert KEY not in repr(hit)
