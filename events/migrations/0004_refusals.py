"""Refusals wait here for the event that tells them (events.refusals). Where no relay takes them away
the table does not grow for ever: of all but the latest half a million only how many there were of
each code and hour is kept. Each 256th row looks for such.
"""

from django.db import migrations, models

FORWARD = """
CREATE FUNCTION momentry_fold_refusals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH gone AS (
        DELETE FROM events_refusal
         WHERE id IN (SELECT id FROM events_refusal WHERE id <= NEW.id - 500000
                       ORDER BY id LIMIT 2000 FOR UPDATE SKIP LOCKED)
        RETURNING at, code, count
    )
    INSERT INTO events_refusal (at, code, count)
    SELECT min(at), code, sum(count) FROM gone GROUP BY code, date_trunc('hour', at, 'UTC');
    RETURN NULL;
END $$;

CREATE TRIGGER momentry_fold_refusals AFTER INSERT ON events_refusal FOR EACH ROW
    WHEN (NEW.id % 256 = 0) EXECUTE FUNCTION momentry_fold_refusals();
"""
BACKWARD = """
DROP TRIGGER momentry_fold_refusals ON events_refusal;
DROP FUNCTION momentry_fold_refusals();
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0003_chain_kept")]

    operations = [
        migrations.CreateModel(
            name="Refusal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("code", models.CharField(max_length=40)),
                ("request_id", models.UUIDField(null=True)),
                ("client_address", models.GenericIPAddressField(null=True)),
                ("key_id", models.UUIDField(null=True)),
                ("member_id", models.UUIDField(null=True)),
                ("staff_id", models.UUIDField(null=True)),
                ("count", models.PositiveBigIntegerField(default=1)),
            ],
            options={"db_table": "events_refusal"},
        ),
        migrations.CreateModel(
            name="RefusalTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("code", models.CharField(max_length=40)),
                (
                    "network",
                    models.CharField(
                        blank=True, help_text="Empty: of several, or none.", max_length=43
                    ),
                ),
                ("key_id", models.UUIDField(null=True)),
                ("member_id", models.UUIDField(null=True)),
                ("staff_id", models.UUIDField(null=True)),
                ("count", models.PositiveBigIntegerField(default=0)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("requests", models.JSONField(default=list, help_text="Ids of some of them.")),
                (
                    "told_at",
                    models.DateTimeField(null=True, help_text="When an event first told of it."),
                ),
                (
                    "ended_at",
                    models.DateTimeField(
                        help_text="When one last told of what came after that; the hour was over.",
                        null=True,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hour", "code", "network", "key_id", "staff_id"),
                        name="refusaltally_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
