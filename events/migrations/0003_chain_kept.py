"""What was recorded before the chain gets its proofs, and the table its triggers. Apart from 0002,
whose locks nobody should wait for meanwhile.

The triggers keep our own code and careless hands from changing history; who may alter the table may
also take them away, and is found out by audit_verify.
"""

from django.db import migrations

from events.chain.canon import Fact
from events.chain.proofs import prove
from momentry.common.crypto.errors import EnvelopeError
from momentry.common.crypto.keyring import get_ring

BATCH = 1000
PLACE = {"table": "events_event", "column": "details"}
THERE = """
SELECT id, kind, actor, subject, request_id, occurred_at, details FROM events_event
 WHERE id > %s ORDER BY id LIMIT %s
"""
PROVE = """
UPDATE events_event AS e SET proof = p.proof
  FROM unnest(%s::uuid[], %s::text[]) AS p(id, proof) WHERE e.id = p.id
"""

FORWARD = """
CREATE FUNCTION momentry_event_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are not changed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION momentry_event_keep() RETURNS trigger LANGUAGE plpgsql AS $$
-- Retention moves the chain's beginning first; only what is before it may go.
BEGIN
    IF OLD.seq IS NULL OR OLD.seq > coalesce((SELECT base_seq FROM events_chain WHERE id = 1), 0) THEN
        RAISE EXCEPTION 'events are not deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER momentry_event_unchanged BEFORE UPDATE ON events_event FOR EACH ROW WHEN (
    (OLD.id, OLD.kind, OLD.actor, OLD.subject, OLD.request_id, OLD.occurred_at) IS DISTINCT FROM
    (NEW.id, NEW.kind, NEW.actor, NEW.subject, NEW.request_id, NEW.occurred_at)
    OR (OLD.seq IS NOT NULL AND (OLD.seq, OLD.hash, OLD.details_mac) IS DISTINCT FROM
                                (NEW.seq, NEW.hash, NEW.details_mac))
    OR (OLD.details IS NULL AND NEW.details IS NOT NULL)
) EXECUTE FUNCTION momentry_event_refuse();
CREATE TRIGGER momentry_event_kept BEFORE DELETE ON events_event FOR EACH ROW
    EXECUTE FUNCTION momentry_event_keep();
"""
BACKWARD = """
DROP FUNCTION momentry_event_refuse() CASCADE;
DROP FUNCTION momentry_event_keep() CASCADE;
"""


def prove_what_is_there(apps, schema_editor):
    """Events from before the chain were not doubted either; those that do not open stay without."""
    after = "00000000-0000-0000-0000-000000000000"
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(THERE, [after, BATCH])
            found = cursor.fetchall()
            proofs = [(row[0], proof) for row in found if (proof := proof_for(row))]
            cursor.execute(PROVE, [[pk for pk, _ in proofs], [proof for _, proof in proofs]])
            if len(found) < BATCH:
                return
            after = found[-1][0]


def proof_for(row):
    *fact, envelope = row
    try:
        details = None if envelope is None else get_ring().open(envelope, **PLACE, row_id=fact[0])
    except EnvelopeError:
        return ""
    return prove(Fact(*fact), details)


class Migration(migrations.Migration):
    dependencies = [("events", "0002_chain")]

    operations = [
        migrations.RunPython(prove_what_is_there, migrations.RunPython.noop),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
