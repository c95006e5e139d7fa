"""Where backups are kept: a folder, or a bucket that speaks S3. The one module that imports its client.

boto3, since it is S3's own and the best kept by far; it is needed only where TERRACE_BACKUP_STORE
is an s3:// address, so it stands in requirements/production.in, not in base.in.
"""

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, Protocol
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from shared_apps.tenants.archive.encryption import Writable
from shared_apps.tenants.archive.errors import BackupNotFound, BackupStoreRefused
from shared_apps.tenants.archive.framing import PIECE_BYTES

# S3 takes parts of 5 MiB or more, and 10,000 of them: 80 GiB for a tenant.
_PART_BYTES: Final = 8 * 1024 * 1024


class BackupStore(Protocol):
    """Files by key. A key is a relative path with forward slashes."""

    def writer(self, key: str) -> Any:
        """A context manager with something to write to. The file is there when the block has ended
        well, and not at all otherwise. Raises BackupStoreRefused."""

    def reader(self, key: str) -> Any:
        """A context manager with the file, which can be read again from its start.

        Raises BackupNotFound, BackupStoreRefused."""

    def remove(self, key: str) -> None:
        """The file is gone afterwards, whether or not it was there. Raises BackupStoreRefused."""


def backup_store() -> BackupStore:
    """The store that TERRACE_BACKUP_STORE names: a folder, or `s3://bucket/prefix`.

    `s3://bucket/prefix?endpoint=https://minio.example.com&region=eu-central-1` is for other servers
    than Amazon's. Keys come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), or from
    wherever else boto3 looks.

    Raises:
        ImproperlyConfigured: the address can't be used, or boto3 is missing.
    """
    address = str(settings.TERRACE_BACKUP_STORE)
    if address.startswith("s3://"):
        return S3Store(address)
    return FolderStore(Path(address))


class FolderStore:
    """A folder of this machine, or one that is mounted here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        """See BackupStore."""
        path = self._path(key)
        partial = path.with_name(f".{path.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with partial.open("wb") as file:
                try:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                    partial.replace(path)
                except BaseException:
                    partial.unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise BackupStoreRefused(f"The backup can't be written to {path}: {error}.") from error

    @contextmanager
    def reader(self, key: str) -> Iterator[BinaryIO]:
        """See BackupStore."""
        path = self._path(key)
        try:
            file = path.open("rb")
        except FileNotFoundError as error:
            raise BackupNotFound(f"The backup {key} is not in {self._folder} any more.") from error
        except OSError as error:
            raise BackupStoreRefused(f"The backup can't be read from {path}: {error}.") from error
        with file:
            yield file

    def remove(self, key: str) -> None:
        """See BackupStore."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
            path.with_name(f".{path.name}.partial").unlink(missing_ok=True)
        except OSError as error:
            raise BackupStoreRefused(f"{path} can't be removed: {error}.") from error

    def _path(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or ".." in parts or key.startswith("/"):
            raise ValueError(f"{key!r} is not a key of the backup store.")
        return self._folder.joinpath(*parts)


class S3Store:
    """A bucket. Files go there in parts as they come, so that none is ever whole on this machine."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        options = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if not parts.netloc or options.keys() - {"endpoint", "region"}:
            raise ImproperlyConfigured(
                f"TERRACE_BACKUP_STORE is {address!r}. Write it like s3://bucket/prefix or "
                "s3://bucket/prefix?endpoint=https://minio.example.com&region=eu-central-1."
            )
        try:
            boto3 = importlib.import_module("boto3")
        except ImportError as error:
            raise ImproperlyConfigured(
                "TERRACE_BACKUP_STORE is an s3:// address, and boto3 is not installed. Install "
                "requirements/production.txt."
            ) from error
        self._errors = importlib.import_module("botocore.exceptions")
        self._bucket = parts.netloc
        self._prefix = parts.path.strip("/")
        self._client: Any = boto3.client(
            "s3", endpoint_url=options.get("endpoint"), region_name=options.get("region")
        )

    @contextmanager
    def writer(self, key: str) -> Iterator[Writable]:
        """See BackupStore."""
        place = self._place(key)
        with self._refusals(key):
            upload = self._client.create_multipart_upload(**place)["UploadId"]
        try:
            with self._refusals(key):
                parts = _PartsWriter(self._client, {**place, "UploadId": upload})
                yield parts
                self._client.complete_multipart_upload(
                    **place, UploadId=upload, MultipartUpload={"Parts": parts.finish()}
                )
        except BaseException:
            self._client.abort_multipart_upload(**place, UploadId=upload)
            raise

    @contextmanager
    def reader(self, key: str) -> Iterator[BinaryIO]:
        """See BackupStore. Kept in a temporary file: a restore reads it three times."""
        with tempfile.TemporaryFile() as spool:
            with self._refusals(key):
                body = self._client.get_object(**self._place(key))["Body"]
                while piece := body.read(PIECE_BYTES):
                    spool.write(piece)
            yield spool

    def remove(self, key: str) -> None:
        """See BackupStore."""
        with self._refusals(key):
            self._client.delete_object(**self._place(key))

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}/{key}".lstrip("/")}

    @contextmanager
    def _refusals(self, key: str) -> Iterator[None]:
        try:
            yield
        except self._errors.ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"NoSuchKey", "404"}:
                raise BackupNotFound(
                    f"The backup {key} is not in {self._bucket} any more."
                ) from error
            raise BackupStoreRefused(f"The bucket {self._bucket} refuses {key}: {error}") from error
        except self._errors.BotoCoreError as error:
            raise BackupStoreRefused(
                f"The bucket {self._bucket} can't be reached: {error}"
            ) from error


class _PartsWriter:
    """Sends what is written to it in parts of 8 MiB; it holds one of them."""

    def __init__(self, client: Any, place: dict[str, str]) -> None:
        self._client = client
        self._place = place
        self._waiting = bytearray()
        self._sent: list[dict[str, Any]] = []

    def write(self, data: bytes) -> int:
        self._waiting += data
        while len(self._waiting) >= _PART_BYTES:
            self._send(_PART_BYTES)
        return len(data)

    def finish(self) -> list[dict[str, Any]]:
        if self._waiting or not self._sent:
            self._send(len(self._waiting))
        return self._sent

    def _send(self, size: int) -> None:
        number = len(self._sent) + 1
        body = bytes(self._waiting[:size])
        answer = self._client.upload_part(**self._place, PartNumber=number, Body=body)
        del self._waiting[:size]
        self._sent.append({"PartNumber": number, "ETag": answer["ETag"]})
