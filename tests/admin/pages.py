"""Every page of the admin, found through its registry."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import reverse

Pages = list[tuple[type[Model], Any]]


def pages() -> Pages:
    admin.autodiscover()
    return sorted(admin.site._registry.items(), key=lambda item: item[0]._meta.label)


def name(model: type[Model], view: str) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}"


def changelist(model: type[Model]) -> str:
    return reverse(name(model, "changelist"))


def change(model: type[Model], pk: object) -> str:
    return reverse(name(model, "change"), args=[pk])


def button(row: Model, action: str) -> str:
    return reverse(name(type(row), action), args=[row.pk])


def label(model: type[Model]) -> str:
    return model._meta.label
