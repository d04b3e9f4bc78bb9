"""A member's tier is a slug in accounts, which may not know apikeys; the database knows both.

Without this a deleted or misspelt tier would mean no limits at all.
"""

from django.db import migrations

FORWARD = """
ALTER TABLE accounts_user ADD CONSTRAINT user_tier_known
    FOREIGN KEY (tier) REFERENCES apikeys_tier (slug) DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX user_tier ON accounts_user (tier);
"""
BACKWARD = """
ALTER TABLE accounts_user DROP CONSTRAINT user_tier_known;
DROP INDEX user_tier;
"""


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0003_tiers"), ("accounts", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
