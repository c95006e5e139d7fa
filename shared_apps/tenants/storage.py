"""Files: each tenant's in a folder of its own, named by its uuid."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.storage import FileSystemStorage

from shared_apps.tenants import context
from shared_apps.tenants.errors import TenantReadOnly


@dataclass(frozen=True, slots=True)
class FolderSize:
    """How many files a tenant has, and how many bytes are in them."""

    files: int
    bytes: int


class TenantFileStorage(FileSystemStorage):
    """A folder below MEDIA_ROOT for the tenant that is set. Without one there is no place to write.

    FileSystemStorage joins names safely (`..` and absolute names raise SuspiciousFileOperation), and
    here it does so below the tenant's own folder.
    """

    @property
    def base_location(self) -> str:
        """The tenant's folder. Raises NoTenant."""
        return str(Path(super().base_location) / context.require_tenant().uuid.hex)

    @property
    def location(self) -> str:
        """The tenant's folder, absolute."""
        return str(Path(self.base_location).resolve())

    def delete(self, name: str) -> None:
        """Delete a file. Raises TenantReadOnly."""
        _require_writable()
        super().delete(name)

    def _save(self, name: str, content: Any) -> str:
        _require_writable()
        saved: str = super()._save(name, content)  # type: ignore[misc] # the stubs leave it out
        return saved


def _require_writable() -> None:
    tenant = context.require_tenant()
    if tenant.status == "read_only":
        raise TenantReadOnly(f"{tenant} is read-only, so its files stay as they are.")


def media_folder(uuid: UUID) -> Path:
    """Where the files of the tenant with this uuid are; it may not be there."""
    return Path(settings.MEDIA_ROOT) / uuid.hex


def _folders(uuid: UUID) -> list[Path]:
    """Every folder that holds files of this tenant: its media, and its take-outs."""
    options: dict[str, Any] = settings.STORAGES.get("takeouts", {}).get("OPTIONS", {})
    elsewhere = [Path(options["location"]) / uuid.hex] if "location" in options else []
    return [media_folder(uuid), *elsewhere]


def measure_folder(uuid: UUID) -> FolderSize:
    """Count a tenant's files, those of its take-outs too. A symbolic link counts as itself, not as
    what it leads to."""
    files = total = 0
    for folder in _folders(uuid):
        for path in _files_in(folder):
            files += 1
            total += path.lstat().st_size
    return FolderSize(files, total)


def copy_folder(*, source: UUID, target: UUID) -> FolderSize:
    """Copy the files of one tenant into the folder of another. Safe to repeat: what was copied before
    is written again, whole. Symbolic links are left out. Returns what was copied."""
    start, end = media_folder(source), media_folder(target)
    files = total = 0
    for path in _files_in(start):
        if path.is_symlink():
            continue
        copy = end / path.relative_to(start)
        copy.parent.mkdir(parents=True, exist_ok=True)
        half = copy.with_name(f".{copy.name}.copying")
        shutil.copy2(path, half)
        half.replace(copy)
        files += 1
        total += copy.stat().st_size
    return FolderSize(files, total)


def remove_folder(uuid: UUID) -> None:
    """Remove a tenant's files, take-outs too, and their folders, if there are any. Follows no link."""
    for folder in _folders(uuid):
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)


def _files_in(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        linked = [name for name in folders if (Path(parent) / name).is_symlink()]
        yield from (Path(parent) / name for name in (*names, *linked))
