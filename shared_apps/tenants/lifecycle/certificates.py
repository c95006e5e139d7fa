"""What an erasure leaves in writing: what was there, that it is gone, and until when backups hold it."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from shared_apps.tenants import context
from shared_apps.tenants.models import Erasure, Tenant


class NoCertificate(LookupError):
    """The tenant was not erased, or its erasure is not finished."""


@dataclass(frozen=True, slots=True)
class ErasedTable:
    """A table that was dropped: its rows, and its bytes with indexes and TOAST."""

    name: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """An erasure that is finished. Counts were taken when nobody could write any more, before the
    first thing was removed; at the end nothing of it was found.

    Args:
        relations: tables, indexes, sequences and the like that were in the schema.
        redis_keys: of the cache, with sessions and throttles.
        queued_tasks: messages that waited or were not acknowledged.
        public_rows: rows of the platform's own tables that told of the tenant's people, by table.
        names_kept: hostnames that are never given to another tenant.
        domains_deleted: the customer's own domains, which may be used again.
        copies_dropped: schemas that an undo had kept of it, and backups that were shown beside it.
        backups_expire_at: when the last backup that may hold the tenant is deleted, as ISO 8601.
    """

    tenant_uuid: str
    tenant_name: str
    subdomain: str
    schema_name: str
    reason: str
    by: str
    began_at: str
    finished_at: str
    tables: list[ErasedTable]
    relations: int
    database_bytes: int
    media_files: int
    media_bytes: int
    redis_keys: int
    queued_tasks: int
    public_rows: dict[str, int]
    names_kept: list[str]
    domains_deleted: list[str]
    backups_expire_at: str
    copies_dropped: int = 0

    def as_json(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)

    def as_text(self) -> str:
        """As a page of plain text, for the customer."""
        rows = sum(table.rows for table in self.tables)
        lines = [
            "CERTIFICATE OF ERASURE",
            "",
            f"Workspace      {self.tenant_name} ({self.subdomain})",
            f"Identity       {self.tenant_uuid}",
            f"Why            {self.reason}",
            f"By             {self.by}",
            f"Begun          {_moment(self.began_at)}",
            f"Finished       {_moment(self.finished_at)}",
            "",
            "Erased",
            f"  database     {len(self.tables)} tables with {rows} rows, {self.relations} relations, "
            f"{self.database_bytes} bytes; the schema {self.schema_name} and its role",
            f"  copies       {self.copies_dropped} schemas kept by an undo or shown as a preview",
            f"  files        {self.media_files} files, {self.media_bytes} bytes",
            f"  cache        {self.redis_keys} keys",
            f"  tasks        {self.queued_tasks} messages",
        ]
        lines += [
            f"  platform     {count} rows of {name}" for name, count in self.public_rows.items()
        ]
        lines += [
            "",
            "Tables",
            *(
                f"  {table.name:<40} {table.rows:>12} rows {table.bytes:>14} bytes"
                for table in self.tables
            ),
            "",
            f"Never given to another: {', '.join(self.names_kept) or 'none'}",
            f"Free again: {', '.join(self.domains_deleted) or 'none'}",
            "",
            "Looked for at the end and not found: schema, role, files, keys, tasks.",
            f"The last backup that may hold it is deleted by {_moment(self.backups_expire_at)}.",
        ]
        return "\n".join(lines) + "\n"


def certificate_of(tenant: Tenant) -> Certificate:
    """The certificate of an erased tenant.

    Raises:
        NoCertificate: it was not erased, or its erasure is not finished.
    Runs in: the public schema.
    """
    with context.run_in_public():
        erasure = Erasure.objects.filter(tenant=tenant, finished_at__isnull=False).first()
    if erasure is None or erasure.certificate is None:
        raise NoCertificate(f"{tenant.name} was not erased, or its erasure is not finished.")
    kept = dict(erasure.certificate)
    kept["tables"] = [ErasedTable(**table) for table in kept["tables"]]
    return Certificate(**kept)


def _moment(iso: str) -> str:
    return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M:%S} UTC"
