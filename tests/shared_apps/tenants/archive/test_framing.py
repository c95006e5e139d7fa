"""The bytes of an archive: whole, or refused by name. No database."""

import io
import json
import random
import zlib
from typing import Any

import pytest

from shared_apps.tenants.archive.encryption import CHUNK_BYTES, ArchiveKey
from shared_apps.tenants.archive.errors import (
    ArchiveCut,
    ArchiveDamaged,
    ArchiveEncrypted,
    ArchiveError,
    ArchiveNewer,
    ArchiveNotEncrypted,
    ArchiveUnknown,
    WrongKey,
)
from shared_apps.tenants.archive.framing import (
    END_MARK,
    MAGIC,
    PIECE_BYTES,
    FrameReader,
    FrameWriter,
)

KEY = ArchiveKey.from_hex("a1" * 32)
CONTENT = random.Random(1).randbytes(3 * PIECE_BYTES + 17)  # noqa: S311 - no secret
KEYS = [pytest.param(None, id="plain"), pytest.param(KEY, id="encrypted")]


def written(key: ArchiveKey | None, content: bytes = CONTENT) -> bytes:
    target = io.BytesIO()
    frames = FrameWriter(target, key=key)
    frames.write_json(b"M", {"whose": "acme"})
    part = frames.begin_part(name="notes", kind="table")
    for start in range(0, len(content), 100_000):
        part.write(content[start : start + 100_000])
    part.end(rows=3)
    frames.finish()
    return target.getvalue()


def read(data: bytes, key: ArchiveKey | None) -> bytes:
    reader = FrameReader(io.BytesIO(data), key=key)
    pieces = [reader.decompress(frame) for frame in reader.frames() if frame.kind == b"D"]
    return b"".join(pieces)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, PIECE_BYTES, PIECE_BYTES + 1, len(CONTENT)]
)
def test_content_of_any_size_comes_back(key: ArchiveKey | None, size: int) -> None:
    assert read(written(key, CONTENT[:size]), key) == CONTENT[:size]


@pytest.mark.parametrize("key", KEYS)
def test_flipped_byte_is_refused_wherever_it_is(key: ArchiveKey | None) -> None:
    data = written(key, CONTENT[:200_000])
    places = {*range(300), *range(len(data) - 300, len(data)), *range(0, len(data), 997)}
    for place in sorted(places):
        flipped = bytearray(data)
        flipped[place] ^= 0x40
        with pytest.raises(ArchiveError) as refused:
            read(bytes(flipped), key)
        is_magic = place < len(MAGIC)
        assert type(refused.value) is (ArchiveUnknown if is_magic else ArchiveDamaged), place


@pytest.mark.parametrize("key", KEYS)
def test_cut_file_is_refused_wherever_it_ends(key: ArchiveKey | None) -> None:
    data = written(key, CONTENT[:200_000])
    lengths = {*range(1, 300), *range(len(data) - 300, len(data)), *range(1, len(data), 997)}
    for length in sorted(lengths):
        with pytest.raises(ArchiveCut):
            read(data[:length], key)


def test_cut_after_a_whole_encrypted_chunk_is_seen() -> None:
    data = written(KEY, CONTENT[:300_000])
    body = len(MAGIC) + 8 + int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "big")
    with pytest.raises(ArchiveCut):
        read(data[: body + 2 * (CHUNK_BYTES + 16)], KEY)
    with pytest.raises(ArchiveCut):
        read(data[: body + 2 * (CHUNK_BYTES + 16)] + END_MARK[:3], KEY)


def test_encrypted_chunks_can_not_change_places() -> None:
    data = written(KEY, CONTENT[:400_000])
    size = CHUNK_BYTES + 16
    start = len(data) - len(END_MARK) - 5 * size
    swapped = (
        data[:start]
        + data[start + size : start + 2 * size]
        + data[start : start + size]
        + data[start + 2 * size :]
    )
    with pytest.raises(ArchiveDamaged):
        read(swapped, KEY)


def test_header_names_nobody_and_the_rest_can_not_be_read() -> None:
    data = written(KEY)
    assert b"acme" in written(None)
    assert b"acme" not in data
    assert b"notes" not in data


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (None, ArchiveEncrypted),
        (ArchiveKey.from_hex("b2" * 32), WrongKey),
        (ArchiveKey.from_passphrase("a1" * 32), WrongKey),
    ],
)
def test_wrong_key_is_refused_before_anything_is_read(given: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        FrameReader(io.BytesIO(written(KEY)), key=given)


def test_passphrase_opens_what_it_closed() -> None:
    data = written(ArchiveKey.from_passphrase("correct horse"), b"x")
    assert read(data, ArchiveKey.from_passphrase("correct horse")) == b"x"
    with pytest.raises(WrongKey):
        read(data, ArchiveKey.from_passphrase("correct horsf"))


def test_key_for_a_plain_archive_is_refused() -> None:
    with pytest.raises(ArchiveNotEncrypted):
        read(written(None), KEY)


def test_newer_format_is_refused() -> None:
    header = json.dumps({"format": 2, "encryption": None}).encode()
    size = len(header).to_bytes(4, "big") + zlib.crc32(header).to_bytes(4, "big")
    with pytest.raises(ArchiveNewer, match="format 2"):
        read(MAGIC + size + header, None)


def test_header_that_asks_for_much_memory_is_refused() -> None:
    parameters = ArchiveKey.from_passphrase("x").new_parameters()
    parameters["key"]["scrypt"]["n"] = 2**30
    with pytest.raises(ArchiveDamaged):
        ArchiveKey.from_passphrase("x").file_key(parameters)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"TERRACE ARCHIVEX"])
def test_other_file_is_no_archive(data: bytes) -> None:
    with pytest.raises(ArchiveUnknown):
        read(data, None)


@pytest.mark.parametrize("text", ["", "zz" * 32, "aa" * 31])
def test_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="key"):
        ArchiveKey.from_hex(text)
