"""The files of the tenant that is set: listed, read, written, removed. Nothing outside its folder."""

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, Protocol, cast

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import File
from django.core.files.storage import storages

PIECE_BYTES: Final = 1024 * 1024


class FileNameRefused(ValueError):
    """No tenant has a file of this name: it leads out of the tenant's folder, or can't be kept."""


class Readable(Protocol):
    """Something that gives bytes: at most so many, none at its end."""

    def read(self, size: int, /) -> bytes: ...


def list_files(skipped: list[str], folder: str = "") -> Iterator[str]:
    """The names of all files, folder by folder.

    A symbolic link is none of the tenant's files, wherever it leads: it goes to `skipped`.
    Runs in: the tenant that is set.
    """
    try:
        folders, files = _storage().listdir(folder)
    except FileNotFoundError:
        return
    for name in sorted(files):
        path = f"{folder}/{name}" if folder else name
        if _is_link(path):
            skipped.append(path)
        else:
            yield path
    for name in sorted(folders):
        path = f"{folder}/{name}" if folder else name
        if _is_link(path):
            skipped.append(path)
        else:
            yield from list_files(skipped, path)


def open_file(name: str) -> BinaryIO | None:
    """The file, to be read; None where it went away meanwhile."""
    try:
        return cast("BinaryIO", _storage().open(name, "rb"))
    except FileNotFoundError:
        return None


def has_file(name: str) -> bool:
    """Whether there is a file of this name."""
    return bool(_storage().exists(name))


def sha256_of(name: str) -> str:
    """The file's SHA-256, or nothing where there is none."""
    file = open_file(name)
    if file is None:
        return ""
    digest = hashlib.sha256()
    with file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def write_file(name: str, content: Readable) -> None:
    """Write a file under exactly this name. One that is there is replaced.

    Raises:
        FileNameRefused: the name leads out of the tenant's folder, or can't be kept.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise FileNameRefused(f"{name!r} is not the name of a tenant's file.")
    storage = _storage()
    try:
        storage.delete(name)
        kept_as = storage.save(name, _Streamed(content, name))
    except SuspiciousFileOperation as error:
        raise FileNameRefused(f"{name!r} is not the name of a tenant's file.") from error
    if kept_as != name:
        storage.delete(kept_as)
        raise FileNameRefused(f"The storage does not keep a file under the name {name!r}.")


def remove_all() -> None:
    """Remove all files of the tenant that is set, links too, and their folders."""
    _remove_folder("")


def _remove_folder(folder: str) -> None:
    storage = _storage()
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        storage.delete(f"{folder}/{name}" if folder else name)
    for name in folders:
        path = f"{folder}/{name}" if folder else name
        if _is_link(path):
            Path(storage.path(path)).unlink()
        else:
            _remove_folder(path)
    if folder or _has_paths(storage):
        storage.delete(folder) if folder else Path(storage.path("")).rmdir()


def _storage() -> Any:
    return storages["default"]


def _has_paths(storage: Any) -> bool:
    try:
        return bool(storage.path(""))
    except NotImplementedError:
        return False


def _is_link(name: str) -> bool:
    storage = _storage()
    try:
        # Past storage.path(), which follows links and would refuse this one.
        return (Path(storage.location) / name).is_symlink()
    except (NotImplementedError, AttributeError):
        return False  # a storage without paths has no links


class _Streamed(File):  # type: ignore[type-arg]  # not generic at run time
    """What Django's storages save, read piece by piece and once."""

    def __init__(self, content: Readable, name: str) -> None:
        super().__init__(None, name=name)
        self._content = content

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        while piece := self._content.read(chunk_size or PIECE_BYTES):
            yield piece

    def read(self, size: int = -1) -> bytes:
        return self._content.read(size if size >= 0 else PIECE_BYTES)

    def __bool__(self) -> bool:
        return True
