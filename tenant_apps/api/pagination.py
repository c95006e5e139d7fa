import re
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination, PageNumberPagination
from rest_framework.request import Request

from tenant_apps.api.errors import WrongParameter

_NOT_OURS: Final = "This cursor is not one of ours. Take the addresses in `next` and `previous`."

_SIZE = re.compile(r"\A0*[1-9][0-9]{0,8}\Z")


class _Sized:
    """`?page_size=`, from 1 to the most that there may be."""

    # Their types are Django REST framework's, whose classes come after this one.
    page_size: Any = 20
    page_size_query_param: Any = "page_size"
    max_page_size: Any = 100

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """As Django REST framework's, with the bounds of a page."""
        parents: Any = super()
        parameters: list[dict[str, Any]] = parents.get_schema_operation_parameters(view)
        for one in parameters:
            if one["name"] == self.page_size_query_param:
                one["schema"] |= {"minimum": 1, "maximum": self.max_page_size}
        return parameters

    def get_page_size(self, request: Request) -> int | None:
        """As Django REST framework's, but what is no size is refused, not passed over."""
        raw = request.query_params.get(self.page_size_query_param)
        if raw is not None and not (_SIZE.match(raw) and int(raw) <= self.max_page_size):
            raise WrongParameter(
                self.page_size_query_param,
                f"A page has 1 to {self.max_page_size} items.",
            )
        parents: Any = super()
        size: int | None = parents.get_page_size(request)
        return size


class NewestFirst(_Sized, CursorPagination):
    """Pages that neither repeat nor leave out a row while others are added, at the same cost however
    far one goes: REST_FRAMEWORK's DEFAULT_PAGINATION_CLASS.

    A view may have `?ordering=`; the key comes after it, so that equal rows keep their order.
    """

    # UUIDv7 and bigint: the key's order is the order of making, unique and never null.
    ordering = "-id"

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        ordering: tuple[str, ...] = tuple(super().get_ordering(request, queryset, view))
        if any(name.lstrip("-") in {"id", "pk"} for name in ordering):
            return ordering
        return (*ordering, "-id" if ordering[0].startswith("-") else "id")

    def decode_cursor(self, request: Request) -> Any:
        """As Django REST framework's, with an answer that blames the parameter."""
        try:
            # The stubs have numbers for its position, which is a text.
            cursor: Any = super().decode_cursor(request)
        except NotFound as error:
            raise WrongParameter(self.cursor_query_param, _NOT_OURS) from error
        if cursor is not None and cursor.position is not None and "\0" in cursor.position:
            raise WrongParameter(self.cursor_query_param, _NOT_OURS)
        return cursor

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        """As Django REST framework's; a cursor that says no key or date is refused as such."""
        try:
            page: list[Any] | None = super().paginate_queryset(queryset, request, view)
        except (ValueError, ValidationError, DataError) as error:
            if self.cursor_query_param not in request.query_params:
                raise
            raise WrongParameter(self.cursor_query_param, _NOT_OURS) from error
        return page


class ByName(NewestFirst):
    """For people and the like, who are looked for by name."""

    ordering = ("full_name", "id")  # type: ignore[assignment]  # the stubs know one name alone


class OldestFirst(NewestFirst):
    """For what is read from its beginning."""

    ordering = "id"


class ByLabel(NewestFirst):
    """For things with a name that are few: tags, categories."""

    ordering = ("name", "id")  # type: ignore[assignment]  # the stubs know one name alone


class Numbered(_Sized, PageNumberPagination):
    """Pages by number, for what has an order of its own that no cursor can stand on."""

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """As Django REST framework's, with the first page's number."""
        parameters = super().get_schema_operation_parameters(view)
        for one in parameters:
            if one["name"] == self.page_query_param:
                one["schema"] |= {"minimum": 1}
        return parameters
