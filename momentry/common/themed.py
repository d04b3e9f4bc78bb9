"""unfold's bases for admin pages. They carry no types: for mypy they are Django's own."""

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.contrib import admin
from django.db.models import Model

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:

    class ThemedAdmin(admin.ModelAdmin[M]): ...

    class ThemedInline(admin.TabularInline[Any, Any]): ...

    class ThemedStack(admin.StackedInline[Any, Any]): ...

else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline

    class ThemedAdmin(ModelAdmin, Generic[M]): ...

    class ThemedInline(TabularInline): ...

    class ThemedStack(StackedInline): ...
