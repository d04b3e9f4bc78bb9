"""What was recorded before the chain gets its proofs, and the table its indexes and triggers, while
others record. Not one transaction: killed, it is run again, and each step finds what is there.

The triggers keep our own code and careless hands from changing history; who may alter the table may
also take them away, and is found out by audit_verify.
"""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models, transaction

from events.chain.canon import Fact
from events.chain.proofs import prove
from momentry.common.crypto.errors import EnvelopeError
from momentry.common.crypto.keyring import get_ring

BATCH = 1000
PLACE = {"table": "events_event", "column": "details"}
THERE = """
SELECT id, kind, actor, subject, request_id, occurred_at, details FROM events_event
 WHERE id > %s AND seq IS NULL AND proof = '' ORDER BY id LIMIT %s FOR NO KEY UPDATE
"""
PROVE = """
UPDATE events_event AS e SET proof = p.proof
  FROM unnest(%s::uuid[], %s::text[]) AS p(id, proof) WHERE e.id = p.id
"""

FORWARD = """
CREATE OR REPLACE FUNCTION momentry_event_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are not changed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE FUNCTION momentry_event_keep() RETURNS trigger LANGUAGE plpgsql AS $$
-- Retention moves the chain's beginning first; only what is before it may go.
BEGIN
    IF OLD.seq IS NULL OR OLD.seq > coalesce((SELECT base_seq FROM events_chain WHERE id = 1), 0) THEN
        RAISE EXCEPTION 'events are not deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
END $$;

CREATE OR REPLACE TRIGGER momentry_event_unchanged BEFORE UPDATE ON events_event FOR EACH ROW WHEN (
    (OLD.id, OLD.kind, OLD.actor, OLD.subject, OLD.request_id, OLD.occurred_at) IS DISTINCT FROM
    (NEW.id, NEW.kind, NEW.actor, NEW.subject, NEW.request_id, NEW.occurred_at)
    OR (OLD.seq IS NOT NULL AND (OLD.seq, OLD.hash, OLD.details_mac) IS DISTINCT FROM
                                (NEW.seq, NEW.hash, NEW.details_mac))
    OR (OLD.details IS NULL AND NEW.details IS NOT NULL)
    OR (OLD.details IS NOT NULL AND NEW.details IS NULL AND NEW.erasure IS NULL)
    OR (OLD.erasure IS NOT NULL AND NEW.erasure IS NULL)
) EXECUTE FUNCTION momentry_event_refuse();
CREATE OR REPLACE TRIGGER momentry_event_kept BEFORE DELETE ON events_event FOR EACH ROW
    EXECUTE FUNCTION momentry_event_keep();
"""
BACKWARD = """
DROP FUNCTION momentry_event_refuse() CASCADE;
DROP FUNCTION momentry_event_keep() CASCADE;
"""


def prove_what_is_there(apps, schema_editor):
    """Events from before the chain were not doubted either; those that do not open stay without.
    By today's code, which is the one that will check them."""
    after = "00000000-0000-0000-0000-000000000000"
    while after:
        with transaction.atomic(), schema_editor.connection.cursor() as cursor:
            after = prove_some(cursor, after)


def prove_some(cursor, after):
    """A batch, held so that nobody erases its details meanwhile; its last row, if there are more."""
    cursor.execute(THERE, [after, BATCH])
    found = cursor.fetchall()
    proofs = [(row[0], proof) for row in found if (proof := proof_for(row))]
    cursor.execute(PROVE, [[pk for pk, _ in proofs], [proof for _, proof in proofs]])
    return found[-1][0] if len(found) == BATCH else None


def proof_for(row):
    *fact, envelope = row
    try:
        details = None if envelope is None else get_ring().open(envelope, **PLACE, row_id=fact[0])
    except EnvelopeError:
        return ""
    return prove(Fact(*fact), details)


def index(name, columns, **meant):
    """Built while others write; one that was left half built is made anew."""
    drop = f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
    add = migrations.AddIndex("event", models.Index(name=name, **meant))
    return migrations.RunSQL(
        [drop, f"CREATE INDEX CONCURRENTLY {name} ON events_event {columns}"], [drop], [add]
    )


NO_PLACE_TWICE = migrations.RunSQL(
    [
        "ALTER TABLE events_event DROP CONSTRAINT IF EXISTS events_event_seq_key",
        "DROP INDEX CONCURRENTLY IF EXISTS events_event_seq_key",
        "CREATE UNIQUE INDEX CONCURRENTLY events_event_seq_key ON events_event (seq)",
        "ALTER TABLE events_event ADD UNIQUE USING INDEX events_event_seq_key",
    ],
    ["ALTER TABLE events_event DROP CONSTRAINT IF EXISTS events_event_seq_key"],
    [
        migrations.AlterField(
            "event",
            "seq",
            models.BigIntegerField(
                editable=False,
                help_text="Its place; none until it is sealed.",
                null=True,
                unique=True,
            ),
        )
    ],
)


class Migration(migrations.Migration):
    atomic = False  # indexes are built concurrently, and proofs are committed by batches
    dependencies = [("events", "0002_chain")]

    operations = [
        index("event_time", "(occurred_at DESC, id DESC)", fields=["-occurred_at", "-id"]),
        index("event_actor", "(actor, occurred_at DESC)", fields=["actor", "-occurred_at"]),
        index(
            "event_unsealed", "(id) WHERE seq IS NULL", fields=["id"], condition=models.Q(seq=None)
        ),
        NO_PLACE_TWICE,
        ValidateConstraint("event", "event_sealed_whole"),
        migrations.RunPython(prove_what_is_there, migrations.RunPython.noop),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
