"""How a difference between a schema and the release is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, auto

from shared_apps.tenants.postgresql.catalogue import Catalogue, Difference, differences

STRUCTURE, PRIVILEGES = "structure", "privileges"


class Phase(IntEnum):
    """When a difference is mended: what is in the way goes first, what needs others comes last."""

    ROLE = auto()
    OWNER = auto()
    RENAME = auto()
    DROP_OTHER = auto()
    DROP_FOREIGN_KEY = auto()
    DROP_CONSTRAINT = auto()
    DROP_INDEX = auto()
    DROP_COLUMN = auto()
    DROP_TABLE = auto()
    CREATE_SEQUENCE = auto()
    CREATE_TABLE = auto()
    ALTER_TABLE = auto()
    ADD_COLUMN = auto()
    ALTER_COLUMN = auto()
    DROP_SEQUENCE = auto()
    ADD_KEY = auto()
    ADD_CHECK = auto()
    ADD_FOREIGN_KEY = auto()
    ADD_INDEX = auto()
    COMMENT = auto()
    GRANT = auto()
    BY_HAND = auto()


@dataclass(frozen=True, slots=True)
class Line:
    """One line in which the two descriptions differ; None where one of them lacks it.

    `part` says which description: STRUCTURE or PRIVILEGES.
    """

    part: str
    object: str
    found: str | None
    expected: str | None

    def __str__(self) -> str:
        found = "not there" if self.found is None else self.found
        expected = "not there" if self.expected is None else self.expected
        return f"{self.object}: {found}; in the release: {expected}"


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """One thing that is otherwise than in the release, and what would mend it.

    Args:
        kind: in words, e.g. "missing column".
        object: what it is about, e.g. "users_user.full_name".
        lines: all that shows it, as the catalogue's two descriptions have it.
        statements: single statements that mend it, run with the schema as `search_path`.
        loss: what they would destroy, as a phrase; empty where nothing is lost.
        loss_probe: a query that says whether there is anything to lose, asked while nobody else
            can write to `loss_table`. Without one, something is.
        by_hand: what to do where no DDL mends it; there are no statements then.
    """

    kind: str
    object: str
    lines: tuple[Line, ...]
    statements: tuple[str, ...] = ()
    loss: str = ""
    loss_probe: str = ""
    loss_table: str = ""
    by_hand: str = ""
    phase: Phase = Phase.BY_HAND

    def __str__(self) -> str:
        return f"{self.kind}: {self.object}"

    @property
    def keys(self) -> frozenset[tuple[str, str]]:
        """Which lines of the two descriptions are its own, as (part, object)."""
        return frozenset((line.part, line.object) for line in self.lines)


class DifferingLines:
    """The lines in which two catalogues differ, each taken once by the difference that it shows."""

    def __init__(self, found: Catalogue, release: Catalogue) -> None:
        self._left: dict[tuple[str, str], Line] = {}
        for part in (STRUCTURE, PRIVILEGES):
            for difference in _differences_of(part, found, release):
                line = Line(part, difference.object, difference.first, difference.second)
                self._left[part, line.object] = line

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._left

    def take(self, keys: Iterable[tuple[str, str]]) -> tuple[Line, ...]:
        """The lines of these keys that differ and were not taken yet."""
        return tuple(self._left.pop(key) for key in dict.fromkeys(keys) if key in self._left)

    def take_rest(self) -> list[Line]:
        """What nobody took."""
        rest = list(self._left.values())
        self._left.clear()
        return rest


def _differences_of(part: str, found: Catalogue, release: Catalogue) -> list[Difference]:
    first, second = (
        Catalogue(
            schema_name=catalogue.schema_name,
            tables=catalogue.tables if part == STRUCTURE else (),
            sequences=catalogue.sequences if part == STRUCTURE else (),
            others=catalogue.others if part == STRUCTURE else (),
            privileges=catalogue.privileges if part == PRIVILEGES else (),
            migrations=(),
        ).describe()
        for catalogue in (found, release)
    )
    return differences(first, second)
