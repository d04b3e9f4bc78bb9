"""The request log's table, by hand: partitioned by day of ts (UTC), which Django cannot say.

No default partition: a row without a day's partition is an error that makes the partition.
Attaching a ready table takes a weaker lock on the log than CREATE TABLE … PARTITION OF would.
"""

from django.db import migrations

FORWARD = """
CREATE TABLE apikeys_requestlog (
    ts timestamptz NOT NULL,
    id uuid NOT NULL,
    method varchar(16) NOT NULL,
    path varchar(2048) NOT NULL,
    status smallint NOT NULL,
    key_id uuid,
    member_id uuid,
    upstream varchar(60) NOT NULL,
    target varchar(200) NOT NULL,
    operation varchar(100) NOT NULL,
    model varchar(100) NOT NULL,
    code varchar(40) NOT NULL,
    error_detail varchar(200) NOT NULL,
    first_byte_ms double precision,
    total_ms double precision,
    bytes_in bigint NOT NULL,
    bytes_out bigint NOT NULL,
    tokens_in bigint,
    tokens_out bigint,
    tokens_cached bigint,
    tokens_reasoning bigint,
    cost_micro bigint,
    usage_source varchar(10) NOT NULL,
    client_address inet,
    user_agent varchar(256) NOT NULL,
    PRIMARY KEY (ts, id)
) PARTITION BY RANGE (ts);
CREATE INDEX requestlog_member ON apikeys_requestlog (member_id, ts DESC);
CREATE INDEX requestlog_key ON apikeys_requestlog (key_id, ts DESC);

CREATE FUNCTION momentry_request_log_partition(day date) RETURNS void LANGUAGE plpgsql AS $$
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

SELECT momentry_request_log_partition((now() AT TIME ZONE 'UTC')::date + ahead)
  FROM generate_series(0, 7) AS ahead;
"""

BACKWARD = """
DROP FUNCTION momentry_request_log_partition(date);
DROP TABLE apikeys_requestlog;
"""


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
