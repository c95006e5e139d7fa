"""Filters that every template has (TEMPLATES: builtins)."""

from collections.abc import Iterator
from typing import Any

from django.core.paginator import Paginator
from django.template import Library

register = Library()


@register.filter
def page_numbers(paginator: "Paginator[Any]", number: int) -> Iterator[int | str]:
    """The page numbers around `number`, with an ellipsis for those left out."""
    return paginator.get_elided_page_range(number, on_each_side=1, on_ends=1)
