"""`?fields=id,title`: of each item what was asked for, and nothing else."""

from collections.abc import Mapping
from typing import Any, Final

from tenant_apps.api.errors import WrongParameter

PARAMETER: Final = "fields"


def keep_fields(data: Any, wanted: str) -> Any:
    """An answer's data with the named fields of its items alone.

    Args:
        data: one item, or a page with its items under `results`.
        wanted: names with commas between them.
    Raises:
        WrongParameter: an item has no field of such a name.
    """
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if not names:
        raise WrongParameter(PARAMETER, "Name the fields, with commas between them.")
    if isinstance(data, Mapping) and isinstance(data.get("results"), list):
        return {**data, "results": [_kept(item, names) for item in data["results"]]}
    return _kept(data, names)


def _kept(item: Any, names: list[str]) -> Any:
    if not isinstance(item, Mapping):
        return item
    unknown = [name for name in names if name not in item]
    if unknown:
        raise WrongParameter(
            PARAMETER, f"There is no field {unknown[0]!r}. There are: {', '.join(item)}."
        )
    return {name: item[name] for name in item if name in names}
