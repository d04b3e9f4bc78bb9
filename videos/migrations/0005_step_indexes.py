"""The queue's indexes: those who wait by when they are due, those who run without their times."""

from django.db import migrations, models
from django.db.models import F, Q

TIDY = """
ALTER TABLE videos_processingstep SET (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02
)
"""
UNTIDY = """
ALTER TABLE videos_processingstep RESET (
    fillfactor, autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor
)
"""


class Migration(migrations.Migration):
    dependencies = [("videos", "0004_storage_notices")]

    operations = [
        migrations.AddField(
            "processingstep",
            "last_lease",
            models.UUIDField(null=True, editable=False, help_text="Of who ended it."),
        ),
        migrations.RemoveIndex("processingstep", "step_next"),
        migrations.RemoveIndex("processingstep", "step_lease"),
        migrations.RemoveIndex("processingstep", "step_of_lease"),
        migrations.AddIndex(
            "processingstep",
            models.Index(
                F("processor"), F("job_priority").desc(), F("due_at"), F("id"),
                name="step_next", condition=Q(state="queued"),
            ),
        ),
        migrations.AddIndex(
            "processingstep",
            models.Index(fields=["job"], name="step_running", condition=Q(state="running")),
        ),
        # Room in each page for the next version of a row; the head of the queue is swept often.
        migrations.RunSQL(TIDY, UNTIDY),
    ]  # fmt: skip
