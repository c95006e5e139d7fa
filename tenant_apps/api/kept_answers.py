"""POST, sent twice, done once: the Idempotency-Key header.

Whoever sends a key gets the same answer again for 24 hours, whatever became of the first one on its
way (draft-ietf-httpapi-idempotency-key-header). The answer is kept in the transaction that does the
work: there is never the one without the other. A request that was refused has done nothing, keeps
nothing and may be mended under the same key.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from tenant_apps.api.errors import KeyReused, StillRunning, WrongParameter
from tenant_apps.api.models import KeptAnswer

HEADER: Final = "Idempotency-Key"
KEPT_FOR: Final = timedelta(hours=24)
# Of a request whose worker was lost: after that its key is free again.
_RUNNING_SECONDS: Final = 60
_KEY = re.compile(r"\A[\x21-\x7e]{1,255}\Z")
_KEPT_HEADERS: Final = ("Content-Type", "Location", "ETag")
_DONE: Final = range(200, 400)


class Replayed(Exception):
    """Not an error: the answer is there already."""

    def __init__(self, response: HttpResponse) -> None:
        self.response = response
        super().__init__("This request was answered before.")


@dataclass(slots=True)
class Attempt:
    """One request that carries a key. It is `begun` when it is known who asks."""

    key: str
    fingerprint: str
    kept: KeptAnswer | None = None
    lock: str = field(default="", repr=False)


def attempt_of(request: HttpRequest) -> Attempt | None:
    """The key that a request carries, or None where it carries none.

    Raises:
        WrongParameter: it is none of 1 to 255 visible characters, or stands on a file, which would
            have to be read twice.
    """
    raw = request.headers.get(HEADER)
    if raw is None or request.method != "POST":
        return None
    key = raw.strip().removeprefix('"').removesuffix('"')
    if not _KEY.match(key):
        raise WrongParameter(HEADER, "An Idempotency-Key is 1 to 255 visible characters.")
    if str(request.content_type).startswith("multipart/"):
        raise WrongParameter(HEADER, "An Idempotency-Key can't be sent with a file.")
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    digest.update(request.body)
    return Attempt(key, digest.hexdigest())


def begin(attempt: Attempt, *, person_id: UUID) -> None:
    """Note that the work begins, or tell how it ended before.

    Raises:
        Replayed: it was done; with the answer.
        KeyReused: the key stood on another request.
        StillRunning: the first request is being worked on.
    Runs in: the tenant's schema, in the transaction that does the work.
    """
    _replay(attempt, person_id)
    lock = f"api:once:{person_id}:{hashlib.sha256(attempt.key.encode()).hexdigest()}"
    # None where Redis is gone: then the constraint below makes the second wait for the first.
    if cache.add(lock, "running", _RUNNING_SECONDS) is False:
        raise StillRunning
    attempt.lock = lock
    transaction.on_commit(lambda: cache.delete(lock))
    try:
        with transaction.atomic():
            attempt.kept = KeptAnswer.objects.create(
                person_id=person_id, key=attempt.key, fingerprint=attempt.fingerprint
            )
    except IntegrityError:
        _replay(attempt, person_id)
        raise StillRunning from None


@contextmanager
def freed(attempt: Attempt) -> Iterator[None]:
    """Give the key back where an error ends the request."""
    try:
        yield
    except BaseException:
        _free(attempt)
        raise


def keep(attempt: Attempt, response: HttpResponseBase) -> None:
    """Keep the answer of work that was done; of any other nothing is left.

    Args:
        response: rendered.
    Runs in: the tenant's schema, in the transaction that does the work.
    """
    if attempt.kept is None:
        return
    if response.status_code not in _DONE or not isinstance(response, HttpResponse):
        _free(attempt)
        if not transaction.get_rollback():
            attempt.kept.delete()
        return
    attempt.kept.status = response.status_code
    attempt.kept.headers = {
        name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers
    }
    attempt.kept.body = response.content
    attempt.kept.save(update_fields=["status", "headers", "body"])


def delete_expired() -> int:
    """Forget what is older than 24 hours. Safe to repeat; one statement. Returns how many."""
    deleted, _ = KeptAnswer.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
    return deleted


def _replay(attempt: Attempt, person_id: UUID) -> None:
    kept = KeptAnswer.objects.filter(person_id=person_id, key=attempt.key).first()
    if kept is None:
        return
    if kept.created_at < timezone.now() - KEPT_FOR:
        kept.delete()
        return
    if kept.fingerprint != attempt.fingerprint:
        raise KeyReused
    response = HttpResponse(bytes(kept.body), status=kept.status)
    del response.headers["Content-Type"]
    for name, value in kept.headers.items():
        response.headers[name] = value
    response.headers["Idempotency-Replayed"] = "true"
    raise Replayed(response)


def _free(attempt: Attempt) -> None:
    if attempt.lock:
        cache.delete(attempt.lock)
