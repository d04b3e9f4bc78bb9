"""ENC-02, 03, 06 on targets' credentials: what the gateway makes of rows as they lie there."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connection

from events.models import Mail
from momentry.common.crypto.errors import EnvelopeError
from momentry.common.crypto.generate import generate
from momentry.common.crypto.keyring import KeyRing, get_ring
from proxy.gateway.table import Table
from proxy.masking import mask_of
from proxy.models import Target, TargetCredential
from proxy.services.probing import rows_of
from tests import make
from tests.proxy.calls import OTHER, SECRET, A, B, tables_with

pytestmark = pytest.mark.django_db
OLD, NEW = generate("encryption-key"), generate("encryption-key")
SECRETS = [SECRET, OTHER, "sk-third-0123456789abcdef", "sk-fourth-123456789abcdef0"]
Use = Callable[..., KeyRing]


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    def use(*keys: str) -> KeyRing:
        monkeypatch.setenv("ENCRYPTION_KEY", ",".join(keys))
        get_ring.cache_clear()
        return get_ring()

    yield use
    monkeypatch.undo()
    get_ring.cache_clear()


def sealed() -> dict[str, TargetCredential]:
    """Two targets with two credentials each, by their secrets."""
    row = make.upstream("llm", A, injection="header")
    targets = [row.targets.get(), Target.objects.create(upstream=row, base_url=B)]
    return {
        secret: make.keep_credential(targets[number // 2], secret)
        for number, secret in enumerate(SECRETS)
    }


def sent() -> dict[str, set[str]]:
    """What the gateway would put on requests, by base URL."""
    table = Table()
    table.replace([*rows_of("llm")], get_ring(), "")
    (upstream,) = table.by_slug.values()
    found: dict[str, set[str]] = {}
    for target in upstream.targets:
        ways = [target] if target.turns is None else target.turns.targets
        lines = [way.destination.injection.line.decode() for way in ways]
        found[target.name] = {line.removeprefix("Authorization: Bearer ").strip() for line in lines}
    return found


def put(row: TargetCredential, envelope: str) -> None:
    with connection.cursor() as cursor:
        statement = "UPDATE proxy_targetcredential SET secret = %s WHERE id = %s"
        cursor.execute(statement, [envelope, row.pk])


def envelope_of(table: str, column: str, key: UUID) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} WHERE id = %s", [key])
        (found,) = cursor.fetchone()
    return str(found)


def of(row: TargetCredential) -> str:
    return envelope_of("proxy_targetcredential", "secret", row.pk)


def test_nothing_of_them_is_readable_in_the_database() -> None:
    sealed()

    for secret in SECRETS:
        assert tables_with(secret) == tables_with(secret.encode().hex()) == []
    assert sent() == {A: set(SECRETS[:2]), B: set(SECRETS[2:])}


@pytest.mark.parametrize("source", [SECRETS[1], SECRETS[2]], ids=["one target", "two targets"])
def test_one_moved_to_another_row_is_not_sent(source: str) -> None:
    rows = sealed()

    put(rows[SECRET], of(rows[source]))

    assert sent() == {A: {OTHER}, B: set(SECRETS[2:])}
    assert mask_of(TargetCredential.objects.get(pk=rows[SECRET].pk)) == "****"


def test_one_of_or_for_another_column_does_not_open() -> None:
    rows = sealed()
    mail = Mail.objects.create(template="t", recipient=SECRET)
    with connection.cursor() as cursor:
        for place in ("proxy_target SET credential", "events_mail SET recipient"):
            cursor.execute(f"UPDATE {place} = %s", [of(rows[SECRET])])

    with pytest.raises(EnvelopeError):
        str(Mail.objects.get(pk=mail.pk).recipient)
    for target in Target.objects.all():
        with pytest.raises(EnvelopeError):
            str(target.credential)


def test_an_envelope_of_another_column_is_not_sent_with_the_same_id() -> None:
    """The row's id alone does not open it: the column counts too."""
    rows = sealed()
    mail = Mail(id=rows[SECRET].pk, template="t", recipient="a@example.org")
    mail.save(force_insert=True)

    put(rows[SECRET], envelope_of("events_mail", "recipient", mail.pk))

    assert sent()[A] == {OTHER}


def test_a_new_key_of_the_ring_changes_nothing_that_is_sent(ring: Use) -> None:
    """Neither before it is used, nor amid the rotation, nor after, without the old one."""
    ring(OLD)
    rows = sealed()
    expected = sent()
    before = {secret: of(row) for secret, row in rows.items()}
    current = ring(NEW, OLD)
    seen = [sent()]
    put(rows[SECRET], current.seal(
        SECRET, table="proxy_targetcredential", column="secret", row_id=rows[SECRET].pk
    ))  # fmt: skip
    seen.append(sent())

    call_command("rotate_encryption", verbosity=0)
    seen.append(sent())
    call_command("rotate_encryption", verbosity=0)
    ring(NEW)
    seen.append(sent())

    assert seen == [expected] * 4
    assert not {of(row) for row in rows.values()} & set(before.values())
    ring(OLD)
    assert sent() == {}
