"""RequestLog: one row per request, partitioned by day, read-only; LogBatch: which COPYs came in.

The table is made by hand in a migration (PostgreSQL's key is (ts, id)); rows are plain values
without foreign keys and are written by the gateway's COPY or the middleware's INSERT.
"""

from django.db import models

from apikeys.requestlog import row


class RequestLog(models.Model):
    id = models.UUIDField(primary_key=True)
    ts = models.DateTimeField("time")
    key_id = models.UUIDField(null=True)
    member_id = models.UUIDField(null=True)
    upstream = models.CharField(max_length=60)
    target = models.CharField(max_length=200)
    method = models.CharField(max_length=16)
    path = models.CharField(max_length=row.PATH_LENGTH)
    operation = models.CharField(max_length=100)
    model = models.CharField(max_length=100)
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=40)
    error_detail = models.CharField(max_length=row.ERROR_DETAIL_LENGTH)
    first_byte_ms = models.FloatField(null=True)
    total_ms = models.FloatField(null=True)
    bytes_in = models.BigIntegerField()
    bytes_out = models.BigIntegerField()
    tokens_in = models.BigIntegerField(null=True)
    tokens_out = models.BigIntegerField(null=True)
    tokens_cached = models.BigIntegerField(null=True)
    tokens_reasoning = models.BigIntegerField(null=True)
    cost_micro = models.BigIntegerField(null=True)
    usage_source = models.CharField(max_length=10)
    client_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=row.USER_AGENT_LENGTH)

    class Meta:
        managed = False
        db_table = row.TABLE
        ordering = ["-ts", "-id"]
        verbose_name = "request"

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"


class LogBatch(models.Model):
    """Written in a COPY's transaction: a retry after a lost COMMIT finds it and does not double."""

    process = models.CharField(max_length=64)
    seq = models.PositiveBigIntegerField()
    rows = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["process", "seq"], name="logbatch_once")]

    def __str__(self) -> str:
        return f"{self.process} {self.seq}"
