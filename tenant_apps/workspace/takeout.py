"""The workspace's own data in one file: JSON and CSV for each app, and its files.

Each verb runs in the tenant's schema. The file lies in a storage of its own (STORAGES["takeouts"]),
which no address serves: it is downloaded by a signed link, by somebody who is logged in and may.
"""

import csv
import io
import json
import logging
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import IO, Any, Final, cast

from django.conf import settings
from django.core import signing
from django.core.files.base import File
from django.core.files.storage import storages
from django.core.mail import EmailMultiAlternatives
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.utils import timezone

from shared_apps.tenants import stored_files
from shared_apps.tenants.context import require_tenant
from shared_apps.tenants.registry import exporters
from tenant_apps.activity import trail
from tenant_apps.activity.notifications import notify
from tenant_apps.csv_cells import guard_cell
from tenant_apps.links import page_path, page_url
from tenant_apps.sender import from_header, reply_to
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tenant_apps.workspace.models import TakeOut, TakeOutState

logger = logging.getLogger(__name__)

PERMISSION: Final = "workspace.take_out_data"
STORAGE: Final = "takeouts"
_SALT: Final = "workspace.takeout"
_STUCK_AFTER: Final = timedelta(hours=2)
_FILES_A_NOTE: Final = 100
_OUR_FAULT: Final = (
    "Something went wrong on our side, so there is no file. Start it again; if it happens again, "
    "tell us the time."
)


class TakeOutUnderWay(ValueError):
    """One is being made; one at a time."""


class TakeOutNotFound(LookupError):
    """The link leads to no file that can be downloaded: it has expired, or is none of ours."""


def start_takeout(*, by: User) -> TakeOut:
    """Have all of the workspace's data written to one file once this transaction is committed.

    Raises:
        NotAllowed: `by` may not take the workspace's data out.
        TakeOutUnderWay: one is being made already.
    """
    from tenant_apps.workspace.tasks import write_take_out as task

    _require_may(by)
    try:
        with transaction.atomic():
            take_out = TakeOut.objects.create(requested_by=by)
            trail.record(verb="takeout.started", subject=take_out, actor=by)
            task.delay_on_commit(str(take_out.pk))
    except IntegrityError as error:
        raise TakeOutUnderWay(
            "A take-out is being made already. You get a letter when it is ready."
        ) from error
    return take_out


def write_take_out(*, take_out: TakeOut) -> TakeOut:
    """Write the file and mail the link. Safe to repeat: what a killed worker began is written anew.

    Memory does not grow with the data: rows are read and written in chunks, files in pieces.
    """
    if take_out.state != TakeOutState.WORKING:
        return take_out
    take_out.started_at = timezone.now()
    take_out.rows = take_out.files = 0
    take_out.save(update_fields=["started_at", "rows", "files"])
    try:
        with tempfile.TemporaryFile() as file:
            _write_zip(file, take_out)
            take_out.bytes = file.tell()
            file.seek(0)
            storage = storages[STORAGE]
            storage.delete(_file_name(take_out))
            storage.save(_file_name(take_out), File(file))
    except Exception:
        logger.exception("A take-out failed.")
        _end(take_out, TakeOutState.FAILED, failure=_OUR_FAULT)
        raise
    now = timezone.now()
    take_out.finished_at = now
    take_out.expires_at = now + timedelta(hours=settings.TERRACE_TAKEOUT_HOURS)
    take_out.state = TakeOutState.READY
    take_out.part = ""
    take_out.save(
        update_fields=["state", "part", "rows", "files", "bytes", "finished_at", "expires_at"]
    )
    _tell_person(take_out, "All data of this workspace is ready to be downloaded.")
    _send_letter(take_out)
    return take_out


def download_token(take_out: TakeOut) -> str:
    """What the link ends in: signed, worth nothing in another workspace, nor when it has expired."""
    return signing.dumps(str(take_out.pk), salt=_SALT)


def open_take_out(*, token: str, by: User) -> tuple[TakeOut, IO[bytes]]:
    """The file that a link leads to.

    Raises:
        NotAllowed: `by` may not take the workspace's data out.
        TakeOutNotFound: the link is none of this workspace's, or has expired.
    """
    _require_may(by)
    try:
        key = signing.loads(token, salt=_SALT, max_age=settings.TERRACE_TAKEOUT_HOURS * 3600)
        take_out = TakeOut.objects.get(pk=key)
    except (signing.BadSignature, TakeOut.DoesNotExist) as error:
        raise TakeOutNotFound("This link leads to no file.") from error
    if not take_out.can_be_downloaded:
        raise TakeOutNotFound("This file has expired.")
    try:
        file = storages[STORAGE].open(_file_name(take_out), "rb")
    except FileNotFoundError as error:
        raise TakeOutNotFound("This file is gone.") from error
    with transaction.atomic():
        trail.record(verb="takeout.downloaded", subject=take_out, actor=by)
    return take_out, cast("IO[bytes]", file)


def tidy_take_outs() -> int:
    """Remove files that have expired, and end take-outs that nobody will end. Returns how many."""
    now = timezone.now()
    ended = 0
    for take_out in TakeOut.objects.filter(state=TakeOutState.READY, expires_at__lte=now):
        _end(take_out, TakeOutState.EXPIRED)
        ended += 1
    stuck = TakeOut.objects.filter(
        state=TakeOutState.WORKING, requested_at__lt=now - _STUCK_AFTER
    ).exclude(started_at__gte=now - _STUCK_AFTER)
    for take_out in stuck:
        _end(take_out, TakeOutState.FAILED, failure=_OUR_FAULT)
        ended += 1
    return ended


def _require_may(by: User) -> None:
    if not by.has_perm(PERMISSION):
        raise NotAllowed("Your role does not let you take the workspace's data out. Ask an owner.")


def _file_name(take_out: TakeOut) -> str:
    return f"{take_out.pk.hex}.zip"


def _end(take_out: TakeOut, state: TakeOutState, *, failure: str = "") -> None:
    storages[STORAGE].delete(_file_name(take_out))
    take_out.state = state
    take_out.failure = failure
    take_out.finished_at = take_out.finished_at or timezone.now()
    take_out.save(update_fields=["state", "failure", "finished_at"])
    if state == TakeOutState.FAILED:
        _tell_person(take_out, "The take-out of this workspace's data has failed.")


def _tell_person(take_out: TakeOut, sentence: str) -> None:
    path = page_path("workspace:take-out")
    notify("take_out_ended", sentence=sentence, path=path, to=[take_out.requested_by])


# --- The file --------------------------------------------------------------------------------------


def _write_zip(file: IO[bytes], take_out: TakeOut) -> None:
    tenant = require_tenant()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        facts = {"tenant": tenant, "take_out": take_out}
        archive.writestr("README.txt", render_to_string("takeout/readme.txt", facts))
        for app, export in sorted(exporters().items()):
            _note(take_out, app)
            # One transaction an app: rows are then read through a cursor, not all at once.
            with transaction.atomic():
                for name, rows in export():
                    _write_rows(archive, f"data/{app}/{name}", rows, take_out)
        _write_files(archive, take_out)


def _write_rows(
    archive: zipfile.ZipFile, path: str, rows: Iterable[Mapping[str, object]], take_out: TakeOut
) -> None:
    """The same rows twice: as JSON straight away, as CSV by way of a temporary file."""
    with tempfile.TemporaryFile("w+b") as kept:
        text = io.TextIOWrapper(kept, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\r\n")
        with archive.open(f"{path}.json", "w", force_zip64=True) as target:
            target.write(b"[")
            for number, row in enumerate(rows):
                if number == 0:
                    writer.writerow(row)
                target.write(b",\n" if number else b"\n")
                target.write(_as_json(row).encode())
                writer.writerow([_as_cell(value) for value in row.values()])
                take_out.rows += 1
            target.write(b"\n]\n")
        text.flush()
        kept.seek(0)
        with archive.open(f"{path}.csv", "w", force_zip64=True) as target:
            _pour(kept.read, target)
        text.detach()


def _write_files(archive: zipfile.ZipFile, take_out: TakeOut) -> None:
    for name in stored_files.list_files([]):
        file = stored_files.open_file(name)
        if file is None:
            continue
        if take_out.files % _FILES_A_NOTE == 0:
            _note(take_out, name)
        with file, archive.open(f"files/{name}", "w", force_zip64=True) as target:
            _pour(file.read, target)
        take_out.files += 1


def _pour(read: Callable[[int], bytes], target: IO[bytes]) -> None:
    while piece := read(stored_files.PIECE_BYTES):
        target.write(piece)


def _as_json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


def _as_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return _as_json(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return guard_cell(str(value))


def _note(take_out: TakeOut, part: str) -> None:
    """How far it is, seen by everybody at once: outside of the exporters' transactions."""
    take_out.part = part[:200]
    take_out.save(update_fields=["part", "rows", "files"])


# --- The letter ------------------------------------------------------------------------------------


def _send_letter(take_out: TakeOut) -> None:
    person = take_out.requested_by
    if person is None or not person.is_active:
        return
    tenant = require_tenant()
    context = {
        "tenant": tenant,
        "take_out": take_out,
        "link": page_url(tenant, "workspace:take-out-download", download_token(take_out)),
    }
    message = EmailMultiAlternatives(
        subject=" ".join(render_to_string("emails/take_out.subject", context).split()),
        body=render_to_string("emails/take_out.txt", context),
        from_email=from_header(),
        reply_to=reply_to(),
        to=[person.email],
    )
    message.attach_alternative(render_to_string("emails/take_out.html", context), "text/html")
    message.send()
    take_out.mailed_at = timezone.now()
    take_out.save(update_fields=["mailed_at"])
