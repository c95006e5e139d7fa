"""What an archive says of itself: whose it is, how its schema is made, what is in it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

from shared_apps.tenants.archive.errors import ArchiveDamaged

# What template_ddl writes. Each statement of an archive is one of these, and is sent alone.
_STATEMENT: Final = re.compile(
    r"(CREATE (UNLOGGED )?TABLE|CREATE SEQUENCE|CREATE (UNIQUE )?INDEX|ALTER TABLE|ALTER SEQUENCE"
    r"|COMMENT ON (TABLE|COLUMN|CONSTRAINT|INDEX|SEQUENCE)) "
)
TABLE: Final = "table"
MEDIA: Final = "media"


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """The tenant's rows in the public schema. Times are ISO 8601 texts."""

    uuid: str
    name: str
    subdomain: str
    status: str
    created_at: str
    domains: Sequence[Mapping[str, Any]] = field(default=())
    status_changes: Sequence[Mapping[str, Any]] = field(default=())

    @property
    def key(self) -> UUID:
        """The tenant's uuid."""
        return UUID(self.uuid)


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table: the columns whose values are carried, in the order in which a row gives them."""

    name: str
    columns: Sequence[str]
    # Made, but without its rows (TERRACE_ARCHIVE_LEAVES_OUT).
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class SequenceFacts:
    """Where a sequence stands."""

    name: str
    last_value: int
    is_called: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """The first frame of an archive.

    Args:
        fingerprint: of the schema, structure and privileges, as postgresql.catalogue has it.
        migrations: applied in it, as (app, name).
        table_ddl: statements that make sequences and tables, before the rows.
        late_ddl: foreign keys, indexes, comments: after the rows.
    """

    made_at: str
    fingerprint: str
    migrations: Sequence[tuple[str, str]]
    tenant: TenantFacts
    table_ddl: Sequence[str]
    late_ddl: Sequence[str]
    tables: Sequence[TableFacts]
    sequences: Sequence[SequenceFacts]

    def as_json(self) -> dict[str, Any]:
        """For the archive's first frame."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Read it back.

        Raises:
            ArchiveDamaged: something is missing, or is not what an archive holds.
        """
        try:
            made = cls(
                made_at=str(found["made_at"]),
                fingerprint=str(found["fingerprint"]),
                migrations=[(str(app), str(name)) for app, name in found["migrations"]],
                tenant=TenantFacts(**found["tenant"]),
                table_ddl=_statements(found["table_ddl"]),
                late_ddl=_statements(found["late_ddl"]),
                tables=[TableFacts(**table) for table in found["tables"]],
                sequences=[SequenceFacts(**sequence) for sequence in found["sequences"]],
            )
            _ = made.tenant.key, datetime.fromisoformat(made.made_at)
        except (KeyError, TypeError, ValueError) as error:
            raise ArchiveDamaged(f"The archive's manifest can't be read: {error!r}.") from error
        return made


@dataclass(frozen=True, slots=True)
class PartFacts:
    """A part of the archive, as its trailer has it. `rows` is None for a file."""

    name: str
    kind: str
    bytes: int
    sha256: str
    rows: int | None = None

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Raises ArchiveDamaged."""
        try:
            return cls(**found)
        except TypeError as error:
            raise ArchiveDamaged("The archive's list of contents can't be read.") from error


def _statements(found: Any) -> list[str]:
    statements = [str(statement) for statement in found]
    for statement in statements:
        if not _STATEMENT.match(statement):
            raise ValueError(f"no archive holds a statement like {statement[:40]!r}")
    return statements
