"""How an archive's bytes are laid out, so that it can be written and read in one go.

    magic | length, CRC-32 and JSON of the header | body | end mark

The header says the format and how the body is encrypted, and names nobody. The body, decrypted, is
a row of frames:

    kind (1 byte) | length (4) | CRC-32 of the payload (4) | CRC-32 of these nine bytes (4) | payload

    M  the manifest, JSON: first
    P  a part begins, JSON: its name and kind
    D  a piece of it: one zstd frame of at most PIECE_BYTES
    E  the part ends, JSON: its bytes and SHA-256, and its rows
    T  the trailer, JSON: the parts once more, and the SHA-256 of all frames before it: last

A length is believed only after its own checksum, so a flipped byte is never taken for a cut file.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import zstandard

from shared_apps.tenants.archive.encryption import (
    CUT_SENTENCE,
    ArchiveKey,
    OpeningReader,
    Readable,
    SealingWriter,
    Writable,
    read_up_to,
)
from shared_apps.tenants.archive.errors import (
    ArchiveCut,
    ArchiveDamaged,
    ArchiveEncrypted,
    ArchiveNewer,
    ArchiveNotEncrypted,
    ArchiveUnknown,
)

MAGIC: Final = b"TERRACE ARCHIVE\n"
END_MARK: Final = b"TERRACE\n"
FORMAT: Final = 1
PIECE_BYTES: Final = 1024 * 1024

_HEADER_HEAD: Final = struct.Struct(">II")
_MAX_HEADER_BYTES: Final = 64 * 1024
_HEAD: Final = struct.Struct(">cII")
_CRC: Final = struct.Struct(">I")
# A schema of many hundred tables has a manifest of a few megabytes.
_MAX_JSON_BYTES: Final = 64 * 1024 * 1024
_MAX_PIECE_BYTES: Final = 2 * PIECE_BYTES
_ZSTD_LEVEL: Final = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, its checksums right."""

    kind: bytes
    payload: bytes

    def as_json(self) -> dict[str, Any]:
        """Raises ArchiveDamaged where the payload is not a JSON object."""
        try:
            found = json.loads(self.payload)
        except ValueError as error:
            raise ArchiveDamaged("The archive holds a part that can't be read.") from error
        if not isinstance(found, dict):
            raise ArchiveDamaged("The archive holds a part that can't be read.")
        return found


class FrameWriter:
    """Writes an archive's bytes. `finish` ends it; without it the file is a cut one."""

    def __init__(self, target: Writable, *, key: ArchiveKey | None) -> None:
        self._raw = target
        parameters = key.new_parameters() if key else None
        header = json.dumps({"format": FORMAT, "encryption": parameters}).encode()
        target.write(MAGIC + _HEADER_HEAD.pack(len(header), zlib.crc32(header)) + header)
        self._sealing: SealingWriter | None = None
        if key is not None and parameters is not None:
            self._sealing = SealingWriter(target, key.file_key(parameters), header)
        self._target: Writable = self._sealing or target
        self._digest = hashlib.sha256()
        self._compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_content_size=True)
        self._parts: list[dict[str, Any]] = []

    def write_json(self, kind: bytes, value: dict[str, Any]) -> None:
        """One frame of JSON."""
        self._write(kind, json.dumps(value, separators=(",", ":")).encode())

    def begin_part(self, *, name: str, kind: str) -> "PartWriter":
        """A part: write to it, then `end` it before the next one begins."""
        self.write_json(b"P", {"name": name, "kind": kind})
        return PartWriter(self, name=name, kind=kind)

    def write_piece(self, piece: bytes) -> None:
        """A piece of the part that was begun, at most PIECE_BYTES."""
        self._write(b"D", self._compressor.compress(piece))

    def end_part(self, facts: dict[str, Any]) -> None:
        """The part is whole."""
        self._parts.append(facts)
        self.write_json(b"E", facts)

    def finish(self) -> dict[str, Any]:
        """Write the trailer and the end. Returns the trailer."""
        trailer = {"parts": self._parts, "sha256": self._digest.hexdigest()}
        self.write_json(b"T", trailer)
        if self._sealing is not None:
            self._sealing.finish()
        self._raw.write(END_MARK)
        return trailer

    def _write(self, kind: bytes, payload: bytes) -> None:
        head = _HEAD.pack(kind, len(payload), zlib.crc32(payload))
        frame = head + _CRC.pack(zlib.crc32(head)) + payload
        self._digest.update(frame)
        self._target.write(frame)


class PartWriter:
    """One part on its way into the archive: in pieces, so that its size is no matter."""

    def __init__(self, frames: FrameWriter, *, name: str, kind: str) -> None:
        self._frames = frames
        self._facts: dict[str, Any] = {"name": name, "kind": kind}
        self._digest = hashlib.sha256()
        self._waiting = bytearray()
        self._bytes = 0

    @property
    def bytes_written(self) -> int:
        """So far, before compression."""
        return self._bytes

    def write(self, data: "bytes | memoryview[int]") -> None:
        """Take more of the part."""
        self._digest.update(data)
        self._bytes += len(data)
        self._waiting += data
        while len(self._waiting) >= PIECE_BYTES:
            self._frames.write_piece(bytes(self._waiting[:PIECE_BYTES]))
            del self._waiting[:PIECE_BYTES]

    def end(self, **more: Any) -> dict[str, Any]:
        """The part is whole. Returns what is said of it: name, kind, bytes, sha256 and `more`."""
        if self._waiting:
            self._frames.write_piece(bytes(self._waiting))
            self._waiting.clear()
        facts = {**self._facts, "bytes": self._bytes, "sha256": self._digest.hexdigest(), **more}
        self._frames.end_part(facts)
        return facts


class _BeforeEndMark:
    """The source without its last bytes, which are the end mark of a whole file."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._held = b""

    @property
    def has_end_mark(self) -> bool:
        return self._held == END_MARK

    def read(self, size: int) -> bytes:
        wanted = size + len(END_MARK) - len(self._held)
        found = self._held + read_up_to(self._source, wanted)
        cut = max(0, len(found) - len(END_MARK))
        given, self._held = found[:cut], found[cut:]
        return given


class FrameReader:
    """Reads an archive's bytes and believes none of them.

    Raises (the constructor too):
        ArchiveUnknown: not an archive.
        ArchiveNewer: a format that this release does not know.
        ArchiveEncrypted, ArchiveNotEncrypted, WrongKey: about the key.
        ArchiveDamaged, ArchiveCut: what came is not what was written.
    """

    def __init__(self, source: BinaryIO, *, key: ArchiveKey | None) -> None:
        header, facts = _read_header(source)
        self.is_encrypted = bool(facts.get("encryption"))
        self._ending = _BeforeEndMark(source)
        self._body: Readable = self._ending
        if facts.get("encryption"):
            if key is None:
                raise ArchiveEncrypted(
                    "The archive is encrypted. Give the key or passphrase that it was written with."
                )
            file_key = key.file_key(facts["encryption"])
            self._body = OpeningReader(self._ending, file_key, header)
        elif key is not None:
            raise ArchiveNotEncrypted(
                "A key was given, and the archive is not encrypted: it may not be the file you "
                "mean. Leave the key out if it is."
            )
        self._digest = hashlib.sha256()
        self._decompressor = zstandard.ZstdDecompressor()

    @property
    def sha256(self) -> str:
        """Of all frames read so far."""
        return self._digest.hexdigest()

    def frames(self) -> Iterator[Frame]:
        """All frames up to the trailer, which is checked and is the last one given."""
        while True:
            before = self.sha256
            frame = self._next()
            yield frame
            if frame.kind == b"T":
                self._check_end(frame, before)
                return

    def decompress(self, frame: Frame) -> bytes:
        """A piece as it was written."""
        try:
            size = zstandard.frame_content_size(frame.payload)
            if not 0 <= size <= PIECE_BYTES:
                raise ArchiveDamaged("The archive holds a piece larger than any that was written.")
            return self._decompressor.decompress(frame.payload, max_output_size=PIECE_BYTES)
        except zstandard.ZstdError as error:
            raise ArchiveDamaged("The archive holds a piece that can't be unpacked.") from error

    def _next(self) -> Frame:
        head = self._read(_HEAD.size + _CRC.size)
        kind, length, crc = _HEAD.unpack(head[: _HEAD.size])
        (head_crc,) = _CRC.unpack(head[_HEAD.size :])
        if zlib.crc32(head[: _HEAD.size]) != head_crc:
            raise ArchiveDamaged(DAMAGED_SENTENCE)
        if length > (_MAX_PIECE_BYTES if kind == b"D" else _MAX_JSON_BYTES):
            raise ArchiveDamaged(DAMAGED_SENTENCE)
        payload = self._read(length)
        if zlib.crc32(payload) != crc:
            raise ArchiveDamaged(DAMAGED_SENTENCE)
        self._digest.update(head)
        self._digest.update(payload)
        return Frame(kind, payload)

    def _read(self, size: int) -> bytes:
        found = read_up_to(self._body, size)
        if len(found) < size:
            if self._ending.has_end_mark:
                raise ArchiveDamaged(DAMAGED_SENTENCE)
            raise ArchiveCut(CUT_SENTENCE)
        return found

    def _check_end(self, trailer: Frame, sha256: str) -> None:
        if trailer.as_json().get("sha256") != sha256:
            raise ArchiveDamaged(DAMAGED_SENTENCE)
        if read_up_to(self._body, 1):
            raise ArchiveDamaged("The archive goes on after its end. Take another copy.")
        if not self._ending.has_end_mark:
            raise ArchiveDamaged(DAMAGED_SENTENCE)


DAMAGED_SENTENCE: Final = (
    "The archive is damaged: its checksums do not match what is in it. Take another copy."
)


def _read_header(source: BinaryIO) -> tuple[bytes, dict[str, Any]]:
    magic = read_up_to(source, len(MAGIC))
    if magic != MAGIC:
        if magic and MAGIC.startswith(magic):
            raise ArchiveCut(CUT_SENTENCE)
        raise ArchiveUnknown("This file is not an archive of a tenant.")
    head = read_up_to(source, _HEADER_HEAD.size)
    if len(head) < _HEADER_HEAD.size:
        raise ArchiveCut(CUT_SENTENCE)
    length, crc = _HEADER_HEAD.unpack(head)
    if length > _MAX_HEADER_BYTES:
        raise ArchiveDamaged(DAMAGED_SENTENCE)
    header = read_up_to(source, length)
    if len(header) < length:
        raise ArchiveCut(CUT_SENTENCE)
    if zlib.crc32(header) != crc:
        raise ArchiveDamaged(DAMAGED_SENTENCE)
    facts = Frame(b"H", header).as_json()
    if facts.get("format") != FORMAT:
        raise ArchiveNewer(
            f"The archive has the format {facts.get('format')}; this release reads {FORMAT}. "
            "Import it with the release that wrote it, or a newer one."
        )
    return header, facts
