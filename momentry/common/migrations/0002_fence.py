"""The fence: its tables, and what a trigger does to note a change in them.

Constraint triggers that are INITIALLY DEFERRED run at COMMIT, so the fence's one row is locked as
the last thing a transaction does, however it was made: by a service, a form, or SQL by hand.
A transaction raises the generation once; its further changes are noted under the same one.
"""

import django.db.models.functions.datetime
from django.db import migrations, models

FORWARD = """
ALTER TABLE common_fenceprocess SET UNLOGGED;
INSERT INTO common_fence (id, generation) VALUES (1, 1);

CREATE FUNCTION momentry_fence_note(kind text, subject text) RETURNS void LANGUAGE plpgsql AS $$
-- The transaction's own setting holds the generation it raised, and how many changes it noted.
DECLARE
    held text := coalesce(current_setting('momentry.fence', true), '');
    raised bigint;
    noted bigint := 0;
BEGIN
    IF held = '' THEN
        INSERT INTO common_fence AS f (id, generation) VALUES (1, 1)
            ON CONFLICT (id) DO UPDATE SET generation = f.generation + 1
            RETURNING generation INTO raised;
        PERFORM pg_notify('momentry_fence', '');
        IF raised % 100 = 0 THEN
            DELETE FROM common_fencechange WHERE created_at < now() - interval '1 hour';
            DELETE FROM common_fenceprocess WHERE expires_at < now() - interval '1 minute';
        END IF;
    ELSE
        raised := split_part(held, ':', 1)::bigint;
        noted := split_part(held, ':', 2)::bigint;
    END IF;
    PERFORM set_config('momentry.fence', raised || ':' || noted + 1, true);
    IF noted < 1000 THEN
        INSERT INTO common_fencechange (generation, kind, subject)
            VALUES (raised, kind, left(subject, 44));
    ELSIF noted = 1000 THEN  -- cheaper to forget everything than to go through so many
        INSERT INTO common_fencechange (generation, kind, subject) VALUES (raised, 'all', '');
    END IF;
END $$;

CREATE FUNCTION momentry_fence_row() RETURNS trigger LANGUAGE plpgsql AS $$
-- Arguments: pairs of a kind and the column that holds its subject ('' for none).
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    subject text;
BEGIN
    FOR i IN 0 .. TG_NARGS / 2 - 1 LOOP
        IF TG_ARGV[2 * i + 1] = '' THEN
            PERFORM momentry_fence_note(TG_ARGV[2 * i], '');
            CONTINUE;
        END IF;
        FOR subject IN SELECT DISTINCT side ->> TG_ARGV[2 * i + 1]
                         FROM unnest(ARRAY[before, after]) AS sides(side) LOOP
            IF subject IS NOT NULL THEN
                PERFORM momentry_fence_note(TG_ARGV[2 * i], subject);
            END IF;
        END LOOP;
    END LOOP;
    RETURN NULL;
END $$;
"""

BACKWARD = """
DROP FUNCTION momentry_fence_row() CASCADE;
DROP FUNCTION momentry_fence_note(text, text);
"""


class Migration(migrations.Migration):
    dependencies = [("common", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Fence",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False),
                ),
                ("generation", models.PositiveBigIntegerField(default=1)),
            ],
        ),
        migrations.CreateModel(
            name="FenceChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("generation", models.PositiveBigIntegerField(db_index=True)),
                ("kind", models.CharField(max_length=10)),
                ("subject", models.CharField(blank=True, max_length=44)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
        ),
        migrations.CreateModel(
            name="FenceProcess",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("acked", models.PositiveBigIntegerField()),
                ("expires_at", models.DateTimeField()),
            ],
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
