"""Filters, `?search=` and `?ordering=`, for views that say what can be searched and ordered by.

A view without `search_fields` or `ordering_fields` has neither, in its answers and in the document.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters import TypedChoiceFilter
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend, IsoDateTimeFilter
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.request import Request

from tenant_apps.api.errors import WrongParameter, WrongParameters

if TYPE_CHECKING:
    # Django REST framework reads these settings while its views are being imported.
    from rest_framework.views import APIView


class MomentField(IsoDateTimeField):  # type: ignore[misc]  # django-filter has no types
    """A date and time in UTC: PostgreSQL takes no zone beyond 16 hours, ISO 8601 does."""

    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        try:
            return moment.astimezone(UTC) if moment else None
        except OverflowError as error:
            raise ValidationError("There is no such date and time.", code="invalid") from error


class MomentFilter(IsoDateTimeFilter):  # type: ignore[misc]  # django-filter has no types
    """From or to a moment, as 2030-01-31T08:00:00+01:00."""

    field_class = MomentField


class YesNoFilter(TypedChoiceFilter):  # type: ignore[misc]  # django-filter has no types
    """`true` or `false`; anything else is refused, where django-filter's passes it over."""

    def __init__(self, **options: Any) -> None:
        choices = (("true", "true"), ("false", "false"))
        super().__init__(choices=choices, coerce=lambda value: value == "true", **options)


class Filters(DjangoFilterBackend):  # type: ignore[misc]  # django-filter has no types
    """django-filter's, whose refusals blame the parameters, not places in the body."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: "APIView"
    ) -> QuerySet[Any]:
        filterset: Any = self.get_filterset(request, queryset, view)
        if filterset is None:
            return queryset
        if not filterset.is_valid():
            raise WrongParameters(
                {name: [str(one) for one in told] for name, told in filterset.errors.items()}
            )
        found: QuerySet[Any] = filterset.qs
        return found


class Search(SearchFilter):
    """Django REST framework's, documented where there is something to search."""

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        if not getattr(view, "search_fields", None):
            return []
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        return parameters


class Ordering(OrderingFilter):
    """As Django REST framework's, but a name that can't be ordered by is refused, not passed over."""

    def get_valid_fields(
        self, queryset: QuerySet[Any], view: "APIView", context: Any = None
    ) -> list[tuple[str, str]]:
        return [(name, name) for name in getattr(view, "ordering_fields", ())]

    def remove_invalid_fields(
        self, queryset: QuerySet[Any], fields: Iterable[str], view: "APIView", request: Request
    ) -> list[str]:
        fields = list(fields)
        valid = [name for name, _ in self.get_valid_fields(queryset, view)]
        unknown = [name for name in fields if name.removeprefix("-") not in valid]
        if unknown and valid:
            raise WrongParameter(
                self.ordering_param,
                f"{unknown[0]!r} can't be ordered by. Take {', '.join(valid)}, with - before it "
                "for the other way round.",
            )
        return [name for name in fields if name not in unknown]

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        valid = [name for name, _ in self.get_valid_fields(None, view)]  # type: ignore[arg-type]
        if not valid:
            return []
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        described = f"What to order by: {', '.join(valid)}; with - before it the other way round."
        return [{**one, "description": described} for one in parameters]
