"""Sealing a stream: AES-256-GCM in chunks, each bound to its place, the last one marked.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and
its Nonce-Reuse Misuse-Resistance", 2015): chunk i has the nonce `zeros | i | is last`, so no chunk
can be changed, left out, moved or repeated, and a stream that was cut is told from one that ended.
Each file has a key of its own, made from the caller's key and the file's random salt, so a nonce
never meets the same key twice. The file's header is authenticated with every chunk.
"""

import hmac
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from shared_apps.tenants.archive.errors import ArchiveCut, ArchiveDamaged, WrongKey

CHUNK_BYTES: Final = 64 * 1024
KEY_BYTES: Final = 32
_TAG_BYTES: Final = 16
# RFC 7914; 32 MiB of memory, in the strength that OWASP's Password Storage Cheat Sheet names.
_SCRYPT: Final = {"n": 2**15, "r": 8, "p": 3}
# A header that asks for more is not one of ours: it would only eat memory.
_MAX_SCRYPT_BYTES: Final = 256 * 1024 * 1024


class Writable(Protocol):
    """Something that takes bytes."""

    def write(self, data: bytes, /) -> object: ...


class Readable(Protocol):
    """Something that gives bytes: at most so many, none at its end."""

    def read(self, size: int, /) -> bytes: ...


class Ending(Readable, Protocol):
    """A readable that knows, when it is at its end, whether that is the file's own end."""

    @property
    def has_end_mark(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class ArchiveKey:
    """What an archive is encrypted with: a passphrase, or 32 random bytes."""

    _secret: bytes = field(repr=False)
    _is_passphrase: bool

    @classmethod
    def from_passphrase(cls, passphrase: str) -> Self:
        """Raises ValueError where it is empty."""
        if not passphrase:
            raise ValueError("The passphrase is empty.")
        return cls(passphrase.encode(), _is_passphrase=True)

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """A key in 64 hexadecimal digits, as `openssl rand -hex 32` prints one. Raises ValueError."""
        try:
            raw = bytes.fromhex(text.strip())
        except ValueError as error:
            raise ValueError(
                "The key is not hexadecimal. `openssl rand -hex 32` makes one."
            ) from error
        if len(raw) != KEY_BYTES:
            raise ValueError(f"The key has {len(raw)} bytes; {KEY_BYTES} are needed.")
        return cls(raw, _is_passphrase=False)

    def new_parameters(self) -> dict[str, Any]:
        """What the header of a new file says: everything but the key. It names nobody."""
        parameters: dict[str, Any] = {
            "cipher": "AES-256-GCM",
            "chunk_bytes": CHUNK_BYTES,
            "salt": secrets.token_hex(32),
            "key": {"scrypt": dict(_SCRYPT)} if self._is_passphrase else "key",
        }
        return parameters | {"check": self._keys(parameters)[1].hex()}

    def file_key(self, parameters: dict[str, Any]) -> bytes:
        """The key of the file that has these parameters.

        Raises:
            WrongKey: the file was encrypted with another one.
            ArchiveDamaged: the parameters are not ours.
        """
        try:
            key, check = self._keys(parameters)
            expected = bytes.fromhex(parameters["check"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArchiveDamaged(
                "The archive's header does not say how it was encrypted. Take another copy."
            ) from error
        if not hmac.compare_digest(check, expected):
            raise WrongKey(
                "This key does not open the archive. Give the key or passphrase that it was "
                "written with."
            )
        return key

    def _keys(self, parameters: dict[str, Any]) -> tuple[bytes, bytes]:
        """The file's key, and what tells a wrong one before anything is decrypted."""
        salt = bytes.fromhex(parameters["salt"])
        secret = self._secret
        if parameters["key"] != "key":
            cost = parameters["key"]["scrypt"]
            n, r, p = int(cost["n"]), int(cost["r"]), int(cost["p"])
            if 128 * n * r > _MAX_SCRYPT_BYTES or not 1 <= p <= 16:  # noqa: PLR2004
                raise ValueError("The header asks for more memory than a real one.")
            secret = Scrypt(salt=salt, length=KEY_BYTES, n=n, r=r, p=p).derive(secret)
        made = HKDF(SHA256(), length=2 * KEY_BYTES, salt=salt, info=b"terrace archive 1").derive(
            secret
        )
        return made[:KEY_BYTES], made[KEY_BYTES:]


def _nonce(number: int, *, is_last: bool) -> bytes:
    return b"\0" * 3 + struct.pack(">Q?", number, is_last)


class SealingWriter:
    """Encrypts what is written to it, chunk by chunk. `finish` writes the marked last one."""

    def __init__(self, target: Writable, key: bytes, header: bytes) -> None:
        self._target = target
        self._cipher = AESGCM(key)
        self._header = header
        self._number = 0
        self._waiting = bytearray()

    def write(self, data: bytes) -> None:
        """Take more of the stream."""
        self._waiting += data
        # The last chunk is marked, so a full one waits until it is known not to be it.
        while len(self._waiting) > CHUNK_BYTES:
            self._seal(CHUNK_BYTES, is_last=False)

    def finish(self) -> None:
        """The stream is at its end."""
        self._seal(len(self._waiting), is_last=True)

    def _seal(self, size: int, *, is_last: bool) -> None:
        nonce = _nonce(self._number, is_last=is_last)
        chunk = bytes(self._waiting[:size])
        del self._waiting[:size]
        self._number += 1
        self._target.write(self._cipher.encrypt(nonce, chunk, self._header))


class OpeningReader:
    """Decrypts a sealed stream. Nothing is given out that was not authenticated."""

    def __init__(self, source: "Ending", key: bytes, header: bytes) -> None:
        self._source = source
        self._cipher = AESGCM(key)
        self._header = header
        self._number = 0
        self._sealed = self._next()
        self._open = b""

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end.

        Raises:
            ArchiveDamaged: a chunk is not what was written, or not in its place.
            ArchiveCut: the stream ends before its last chunk.
        """
        if not self._open and self._sealed:
            self._open_next()
        part, self._open = self._open[:size], self._open[size:]
        return part

    def _open_next(self) -> None:
        sealed, self._sealed = self._sealed, self._next()
        is_last = not self._sealed
        try:
            self._open = self._decrypt(sealed, is_last=is_last)
        except InvalidTag as error:
            if is_last and not self._source.has_end_mark:
                raise ArchiveCut(CUT_SENTENCE) from error
            raise ArchiveDamaged(
                f"The archive is damaged near byte {self._number * CHUNK_BYTES}: it can't be "
                "decrypted. Take another copy."
            ) from error
        self._number += 1

    def _decrypt(self, sealed: bytes, *, is_last: bool) -> bytes:
        return self._cipher.decrypt(_nonce(self._number, is_last=is_last), sealed, self._header)

    def _next(self) -> bytes:
        return read_up_to(self._source, CHUNK_BYTES + _TAG_BYTES)


CUT_SENTENCE: Final = (
    "The archive ends before its end: the copy was not finished. Copy it again, or take another."
)


def read_up_to(source: Readable, size: int) -> bytes:
    """So many bytes, fewer only at the source's end."""
    parts = []
    while size > 0:
        part = source.read(size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
