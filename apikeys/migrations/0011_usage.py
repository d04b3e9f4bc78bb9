"""Usage by hour and day; a day of the log gets a partition though an old one is just being dropped.

A table that retention has taken out of the log, but not dropped yet, has its day's name: then the
new partition gets another one.
"""

from django.db import migrations, models

FORWARD = """
CREATE OR REPLACE FUNCTION momentry_request_log_partition(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    base text := 'apikeys_requestlog_' || to_char(day, 'YYYYMMDD');
    name text := base;
    number int := 0;
BEGIN
    IF momentry_request_log_attached(base) THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(base, 0));
    IF momentry_request_log_attached(base) THEN RETURN; END IF;
    WHILE to_regclass(name) IS NOT NULL LOOP
        number := number + 1;
        name := base || '_' || number;
    END LOOP;
    EXECUTE format('CREATE TABLE %I (LIKE apikeys_requestlog INCLUDING DEFAULTS)', name);
    EXECUTE format('ALTER TABLE apikeys_requestlog ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        name, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
END $$;

CREATE FUNCTION momentry_request_log_attached(base text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'apikeys_requestlog'::regclass AND NOT i.inhdetachpending
           AND (c.relname = base OR starts_with(c.relname, base || '_')))
$$;
"""

BACKWARD = """
CREATE OR REPLACE FUNCTION momentry_request_log_partition(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := 'apikeys_requestlog_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(name, 0));
    IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE %I (LIKE apikeys_requestlog INCLUDING DEFAULTS)', name);
    EXECUTE format('ALTER TABLE apikeys_requestlog ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        name, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
END $$;
DROP FUNCTION momentry_request_log_attached(text);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0010_leases"),
    ]

    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.CreateModel(
            name="LoggedDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("inserts", models.BigIntegerField(null=True)),
                ("purged_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="DailyUsage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("period_start", models.DateTimeField()),
                ("key_id", models.UUIDField(null=True)),
                ("member_id", models.UUIDField(null=True)),
                ("upstream", models.CharField(max_length=60)),
                ("operation", models.CharField(max_length=100)),
                ("model", models.CharField(max_length=100)),
                ("status", models.PositiveSmallIntegerField()),
                ("total_requests", models.PositiveBigIntegerField()),
                ("successful_requests", models.PositiveBigIntegerField(help_text="2xx.")),
                ("failed_requests", models.PositiveBigIntegerField(help_text="4xx and 5xx.")),
                (
                    "total_response_time_us",
                    models.PositiveBigIntegerField(help_text="Microseconds."),
                ),
                ("tokens_in", models.BigIntegerField()),
                ("tokens_out", models.BigIntegerField()),
                ("tokens_cached", models.BigIntegerField()),
                ("tokens_reasoning", models.BigIntegerField()),
                ("cost_micro", models.BigIntegerField(help_text="Millionths.")),
                ("bytes_in", models.BigIntegerField()),
                ("bytes_out", models.BigIntegerField()),
            ],
            options={
                "verbose_name": "daily usage",
                "verbose_name_plural": "daily usage",
                "ordering": ["-period_start", "-id"],
                "abstract": False,
                "indexes": [
                    models.Index(fields=["member_id", "period_start"], name="daily_member")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=(
                            "period_start",
                            "key_id",
                            "member_id",
                            "upstream",
                            "operation",
                            "model",
                            "status",
                        ),
                        name="daily_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="HourlyUsage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("period_start", models.DateTimeField()),
                ("key_id", models.UUIDField(null=True)),
                ("member_id", models.UUIDField(null=True)),
                ("upstream", models.CharField(max_length=60)),
                ("operation", models.CharField(max_length=100)),
                ("model", models.CharField(max_length=100)),
                ("status", models.PositiveSmallIntegerField()),
                ("total_requests", models.PositiveBigIntegerField()),
                ("successful_requests", models.PositiveBigIntegerField(help_text="2xx.")),
                ("failed_requests", models.PositiveBigIntegerField(help_text="4xx and 5xx.")),
                (
                    "total_response_time_us",
                    models.PositiveBigIntegerField(help_text="Microseconds."),
                ),
                ("tokens_in", models.BigIntegerField()),
                ("tokens_out", models.BigIntegerField()),
                ("tokens_cached", models.BigIntegerField()),
                ("tokens_reasoning", models.BigIntegerField()),
                ("cost_micro", models.BigIntegerField(help_text="Millionths.")),
                ("bytes_in", models.BigIntegerField()),
                ("bytes_out", models.BigIntegerField()),
            ],
            options={
                "verbose_name": "hourly usage",
                "verbose_name_plural": "hourly usage",
                "ordering": ["-period_start", "-id"],
                "abstract": False,
                "indexes": [
                    models.Index(fields=["member_id", "period_start"], name="hourly_member")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=(
                            "period_start",
                            "key_id",
                            "member_id",
                            "upstream",
                            "operation",
                            "model",
                            "status",
                        ),
                        name="hourly_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageMark",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False),
                ),
                ("rolled_until", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="usagemark_one")
                ],
            },
        ),
    ]
