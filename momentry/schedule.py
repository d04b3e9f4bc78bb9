"""What beat starts when, in UTC, unless staff changed it (docs/operations.md).

A task is a function under ``@shared_task(base=Daily)`` (momentry/common/jobs.py) that answers what
it did as one sentence. A name stays: it is the key of the entry, and a label in /metrics.
"""

from typing import Final

from celery.schedules import crontab

BEAT: Final = {
    "roll-up-usage": {"task": "apikeys.tasks.roll_up_usage", "schedule": crontab("15")},
    "anomalies": {
        "task": "apikeys.tasks.detect_anomalies",
        "schedule": crontab("*/5"),
        "options": {"expires": 300},
    },
    "purge-holds": {"task": "apikeys.tasks.purge_holds", "schedule": crontab("50")},
    "log-partitions": {"task": "apikeys.tasks.make_log_partitions", "schedule": crontab("40", "0")},
    "roll-up-late": {"task": "apikeys.tasks.roll_up_late_usage", "schedule": crontab("25", "1")},
    "purge-logs": {"task": "apikeys.tasks.purge_request_logs", "schedule": crontab("0", "2")},
    "purge-keys": {"task": "apikeys.tasks.purge_keys", "schedule": crontab("0", "3")},
    "purge-members": {"task": "provisioning.tasks.purge_members", "schedule": crontab("30", "3")},
    "storage-notices": {"task": "videos.tasks.notify_storage", "schedule": crontab("35")},
    "purge-videos": {"task": "videos.tasks.purge_videos", "schedule": crontab("30", "3")},
    "pending-members": {"task": "provisioning.tasks.resolve_pending", "schedule": crontab("5")},
    "hash-files": {"task": "videos.tasks.hash_files", "schedule": crontab("*/3")},
    "recount-storage": {"task": "videos.tasks.recount_storage", "schedule": crontab("30", "4")},
    "purge-events": {"task": "events.tasks.purge_events", "schedule": crontab("0", "5")},
    "file-events": {"task": "videos.tasks.forget_file_events", "schedule": crontab("10", "5")},
    "reconcile": {"task": "provisioning.tasks.reconcile", "schedule": crontab("0", "4")},
    "external-tokens": {"task": "provisioning.tasks.verify_tokens", "schedule": crontab("20", "3")},
    "job-leases": {"task": "videos.tasks.expire_job_leases", "schedule": crontab()},
    "expire-uploads": {"task": "videos.tasks.expire_uploads", "schedule": crontab()},
    "purge-deliveries": {"task": "events.tasks.purge_deliveries", "schedule": crontab("0", "5")},
    "rotations-due": {"task": "apikeys.tasks.require_rotations", "schedule": crontab("15", "3")},
    "expired-keys": {"task": "apikeys.tasks.tell_expired", "schedule": crontab("10")},
    "idempotency": {"task": "momentry.common.tasks.forget_idempotency", "schedule": crontab("20")},
    "claim-links": {"task": "provisioning.tasks.forget_claims", "schedule": crontab("25")},
    "inbox": {"task": "provisioning.tasks.forget_inbox", "schedule": crontab("30")},
    "sessions": {"task": "momentry.common.tasks.forget_sessions", "schedule": crontab("20", "5")},
    "runs": {"task": "momentry.common.tasks.forget_runs", "schedule": crontab("25", "5")},
    "expiry-reminders": {"task": "apikeys.tasks.remind_of_expiry", "schedule": crontab("40")},
    "quota-notices": {"task": "apikeys.tasks.notify_limits", "schedule": crontab("45")},
    "purge-mails": {"task": "momentry.tasks.purge_mails", "schedule": crontab("20", "5")},
    "staff-alerts": {"task": "momentry.tasks.staff_alerts", "schedule": crontab("*/5")},
    "staff-digest": {
        "task": "momentry.tasks.staff_digest",
        "schedule": crontab("0", "8", day_of_week="1"),
    },
}
