"""Counters by the beginning of their period. Requests are counted in them meanwhile, so the index
is built beside them; what an interrupted build left, which no query uses, goes first."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("apikeys", "0018_anomalies")]

    operations = [
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS counter_of_period", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="counter",
            index=models.Index(fields=["period_start"], name="counter_of_period"),
        ),
    ]
