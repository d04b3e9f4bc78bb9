"""Each event is for every active endpoint whose filter takes its kind: one row says so, in the
statement that writes it (docs/decisions/034). Nothing is sent of a change that is rolled back, and
without an endpoint it costs a look into an empty table.

A ping is for the endpoint that it is about, whatever its filter says, and its delivery is there at
once.
"""

from django.db import migrations

# UUIDv7 as RFC 9562 §5.7 has it: random bits with the time in front. PostgreSQL 18 has its own.
FORWARD = """
CREATE FUNCTION momentry_uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(
        set_bit(set_bit(overlay(
            uuid_send(gen_random_uuid()) PLACING
            substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
            FROM 1 FOR 6
        ), 52, 1), 53, 1), 'hex')::uuid
$$;

CREATE FUNCTION momentry_fan_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind = 'webhook:ping' THEN
        INSERT INTO events_webhookdelivery
            (id, endpoint_id, event_id, kind, created_at, next_attempt_at, attempts)
        SELECT momentry_uuid7(), e.id, NEW.id, NEW.kind, clock_timestamp(), clock_timestamp(), '[]'
          FROM events_webhookendpoint e
         WHERE e.disabled_at IS NULL
           AND NEW.subject = 'webhook:' || replace(e.id::text, '-', '');
    ELSE
        INSERT INTO events_webhookfanout (event, kind, endpoints, created_at)
        SELECT NEW.id, NEW.kind, array_agg(e.id), clock_timestamp()
          FROM events_webhookendpoint e
         WHERE e.disabled_at IS NULL
           AND e.kinds && ARRAY[
                   NEW.kind, split_part(NEW.kind, ':', 1) || ':*',
                   '*:' || split_part(NEW.kind, ':', 2), '*'
               ]::varchar[]
        HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER momentry_fan_out AFTER INSERT ON events_event
    FOR EACH ROW EXECUTE FUNCTION momentry_fan_out();
"""
BACKWARD = """
DROP TRIGGER momentry_fan_out ON events_event;
DROP FUNCTION momentry_fan_out();
DROP FUNCTION momentry_uuid7();
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0005_webhooks")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
