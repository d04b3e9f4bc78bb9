"""A refusal in the request log is also a row that becomes an event (events.refusals), in the same
transaction, whoever writes the log. Other rows pay for one comparison.

Rows of a flood share one, whose error_detail says how many more there were (proxy.gateway.sampling).
"""

from django.db import migrations

CODES = (
    "missing_key", "ambiguous_credentials", "ip_blocked", "invalid_key", "locked_out",
    "key_revoked", "key_quarantined", "key_disabled", "key_expired", "member_suspended",
    "ip_not_allowed", "insufficient_scope", "upstream_forbidden", "model_forbidden", "csrf_failed",
    "permission_denied", "signature_invalid", "decision_invalid", "path_unknown",
)  # fmt: skip
WORDS = ", ".join(f"'{code}'" for code in CODES)

FORWARD = rf"""
CREATE FUNCTION momentry_refusal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    more text[];
BEGIN
    IF NEW.error_detail LIKE '%address.' THEN
        more := regexp_match(NEW.error_detail,
            'And ([0-9]{{1,9}}) more like it from (this|any) address\.$');
    END IF;
    INSERT INTO events_refusal (at, code, request_id, client_address, key_id, member_id, count)
    VALUES (NEW.ts, NEW.code, NEW.id,
            CASE WHEN more[2] = 'any' THEN NULL ELSE NEW.client_address END,
            NEW.key_id, NEW.member_id, 1 + coalesce(more[1]::bigint, 0));
    RETURN NULL;
END $$;

CREATE TRIGGER momentry_refusal AFTER INSERT ON apikeys_requestlog FOR EACH ROW
    WHEN (NEW.code <> '' AND NEW.code IN ({WORDS}))
    EXECUTE FUNCTION momentry_refusal();
"""  # noqa: S608  our own codes

BACKWARD = """
DROP TRIGGER momentry_refusal ON apikeys_requestlog;
DROP FUNCTION momentry_refusal();
"""


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0014_grant_models"), ("events", "0004_refusals")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
