"""Pages of a list that is too long to be counted each time."""

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

from tenant_apps.activity.generation import Generation


class CountedPages(Paginator[Any]):
    """Django's pages, whose count is kept for a generation: with 100,000 rows it is what costs.

    Args:
        name: of the rows: the same for all who would count the same.
        counted: as many rows as are shown, and quicker to count; the rows themselves unless given.
    """

    def __init__(
        self, rows: Any, per_page: int, *, generation: Generation, name: str, counted: Any = None
    ) -> None:
        super().__init__(rows, per_page)
        self._generation = generation
        self._name = name
        self._counted = rows if counted is None else counted

    @cached_property
    def count(self) -> int:
        number: int = self._generation.kept(f"count:{self._name}", self._counted.count)
        return number
