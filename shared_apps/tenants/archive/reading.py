"""check_archive: everything that can be wrong with a file is found before anything is written."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from django.db.migrations.loader import MigrationLoader

from shared_apps.tenants.archive.encryption import ArchiveKey
from shared_apps.tenants.archive.errors import ArchiveDamaged, ArchiveNewer, ArchiveUnknown
from shared_apps.tenants.archive.framing import DAMAGED_SENTENCE, PIECE_BYTES, Frame, FrameReader
from shared_apps.tenants.archive.manifest import TABLE, Manifest, PartFacts

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class CheckedArchive:
    """An archive that was read from end to end and found whole.

    Args:
        sha256: of all its frames, as its trailer has it. What is read later must have the same.
    """

    file: BinaryIO
    key: ArchiveKey | None
    manifest: Manifest
    parts: tuple[PartFacts, ...]
    sha256: str

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(part.rows or 0 for part in self.parts)

    def read_parts(self, *, kind: str) -> Iterator[tuple[PartFacts, "PartReader"]]:
        """The parts of one kind, in their order; the others are passed over.

        The file is read anew, and checked anew.

        Raises:
            ArchiveDamaged, ArchiveCut: the file has changed since it was checked.
        """
        facts = {(part.kind, part.name): part for part in self.parts}
        reader = _open(self.file, self.key)
        frames = reader.frames()
        for frame in frames:
            if frame.kind == b"T" and frame.as_json().get("sha256") != self.sha256:
                raise ArchiveDamaged(_CHANGED)
            if frame.kind == b"P":
                begun = frame.as_json()
                part = facts.get((str(begun.get("kind")), str(begun.get("name"))))
                if part is None:
                    raise ArchiveDamaged(_CHANGED)
                if part.kind == kind:
                    content = PartReader(reader, frames, part)
                    yield part, content
                    content.finish()

    def parts_of(self, kind: str) -> dict[str, PartFacts]:
        """The parts of one kind, by name."""
        return {part.name: part for part in self.parts if part.kind == kind}


class PartReader:
    """The content of one part, as it was before compression; checked at its end."""

    def __init__(self, reader: FrameReader, frames: Iterator[Frame], facts: PartFacts) -> None:
        self._reader = reader
        self._frames = frames
        self._facts = facts
        self._digest = sha256()
        self._waiting = b""
        self._is_whole = False

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end. Raises ArchiveDamaged, ArchiveCut."""
        if not self._waiting and not self._is_whole:
            self._waiting = self._next()
        part, self._waiting = self._waiting[:size], self._waiting[size:]
        return part

    def pieces(self) -> Iterator[bytes]:
        """All of it, at most a mebibyte at a time."""
        while piece := self.read(PIECE_BYTES):
            yield piece

    def finish(self) -> None:
        """Read what nobody has read."""
        while self.read(PIECE_BYTES):
            pass

    def _next(self) -> bytes:
        frame = next(self._frames)
        if frame.kind == b"D":
            piece = self._reader.decompress(frame)
            self._digest.update(piece)
            return piece
        if frame.kind != b"E" or PartFacts.from_json(frame.as_json()) != self._facts:
            raise ArchiveDamaged(DAMAGED_SENTENCE)
        if self._digest.hexdigest() != self._facts.sha256:
            raise ArchiveDamaged(
                f"The archive is damaged: {self._facts.name} is not what was written. Take another "
                "copy."
            )
        self._is_whole = True
        return b""


def read_manifest(*, source: BinaryIO, key: ArchiveKey | None = None) -> Manifest:
    """What an archive says of itself, without reading more than that.

    Raises:
        ArchiveUnknown, ArchiveNewer, ArchiveEncrypted, ArchiveNotEncrypted, WrongKey,
        ArchiveDamaged, ArchiveCut: see check_archive. The rest of the file is not looked at.
    """
    return _manifest_of(next(FrameReader(source, key=key).frames()))


@contextmanager
def check_archive(
    *,
    source: Path | BinaryIO,
    key: ArchiveKey | None = None,
    on_bytes: Callable[[int], object] | None = None,
) -> Iterator[CheckedArchive]:
    """Read a whole archive and check every byte of it. Nothing is written save a temporary file.

    Args:
        source: a path, or a stream. One that can't be read twice is kept in a temporary file.
        on_bytes: is told how many bytes have been read.
    Raises:
        FileNotFoundError, OSError: there is no such file, or it can't be read.
        ArchiveUnknown: it is no archive.
        ArchiveNewer: a newer release wrote it: its format, or migrations that this code lacks.
        ArchiveEncrypted, ArchiveNotEncrypted, WrongKey: about the key.
        ArchiveDamaged: a byte is not what was written.
        ArchiveCut: the end is missing.
    """
    with _seekable(source) as file:
        yield _check(file, key, on_bytes)


def _check(
    file: BinaryIO, key: ArchiveKey | None, on_bytes: Callable[[int], object] | None
) -> CheckedArchive:
    reader = _open(file, key)
    frames = reader.frames()
    manifest = _manifest_of(next(frames))
    _refuse_newer(manifest)
    parts: list[PartFacts] = []
    digest = sha256()
    last = Frame(b"", b"")
    for frame in frames:
        last = frame
        if frame.kind == b"P":
            digest = sha256()
        elif frame.kind == b"D":
            digest.update(reader.decompress(frame))
            if on_bytes is not None:
                on_bytes(file.tell())
        elif frame.kind == b"E":
            part = PartFacts.from_json(frame.as_json())
            if digest.hexdigest() != part.sha256:
                raise ArchiveDamaged(
                    f"The archive is damaged: {part.name} is not what was written. Take another copy."
                )
            parts.append(part)
    trailer = last.as_json()
    listed = [PartFacts.from_json(part) for part in trailer.get("parts", [])]
    if listed != parts:
        raise ArchiveDamaged(DAMAGED_SENTENCE)
    _require_tables(manifest, parts)
    return CheckedArchive(file, key, manifest, tuple(parts), str(trailer["sha256"]))


def _open(file: BinaryIO, key: ArchiveKey | None) -> FrameReader:
    file.seek(0)
    return FrameReader(file, key=key)


def _manifest_of(frame: Frame) -> Manifest:
    if frame.kind != b"M":
        raise ArchiveUnknown("This file does not begin with the facts of a tenant.")
    return Manifest.from_json(frame.as_json())


def _refuse_newer(manifest: Manifest) -> None:
    unknown = sorted(set(manifest.migrations) - _known_migrations())
    if unknown:
        names = ", ".join(f"{app}.{name}" for app, name in unknown[:_SHOWN])
        raise ArchiveNewer(
            f"The archive was written by a newer release: it has {len(unknown)} migration(s) that "
            f"this code lacks ({names}). Import it there, or update this installation first."
        )


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    """All of this code, those of shared apps and those that were squashed too: a tenant's
    django_migrations lists every app."""
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)


def _require_tables(manifest: Manifest, parts: list[PartFacts]) -> None:
    expected = {table.name for table in manifest.tables if not table.left_out}
    found = {part.name for part in parts if part.kind == TABLE}
    if expected != found:
        raise ArchiveDamaged(
            "The archive's tables are not those that it lists: "
            f"{', '.join(sorted(expected ^ found)[:_SHOWN])}. Take another copy."
        )


@contextmanager
def _seekable(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    elif source.seekable():
        yield source
    else:
        with tempfile.TemporaryFile() as spool:
            while piece := source.read(PIECE_BYTES):
                spool.write(piece)
            yield spool


_CHANGED: Final = (
    "The archive has changed since it was checked. Start again with a file that stays."
)
