"""Rows that a statement of our own inserts are as their models would have made them."""

from typing import Any

import pytest
from django.db import models

from tests import make
from tests.videos import jobs as given

pytestmark = pytest.mark.django_db


def differing(row: models.Model, **said: Any) -> list[str]:
    """Columns that are neither as was said nor as the model's default has it; the times of now are
    the database's own."""
    row.refresh_from_db()
    twin = type(row)(pk=row.pk, **said)
    fields = [each for each in type(row)._meta.concrete_fields if not each.has_db_default()]
    names = [each.attname for each in fields]
    return [name for name in names if getattr(row, name) != getattr(twin, name)]


def test_a_job_and_its_steps_are_as_their_models_have_them() -> None:
    job = given.job(make.member(), ["asr"], priority=3)
    step = job.steps.get()

    assert not differing(job, video=job.video, owner=job.owner, priority=3)
    assert not differing(step, job=job, processor="asr", job_priority=3)
