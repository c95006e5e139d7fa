"""Imports from their upload to their end. Each verb runs in the tenant's schema."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from tenant_apps.activity import live, trail
from tenant_apps.activity.notifications import notify
from tenant_apps.csv_cells import write_row
from tenant_apps.links import page_path
from tenant_apps.products.csv_files import CsvFile, find_bad_byte
from tenant_apps.products.errors import (
    FileEmpty,
    FileTooLarge,
    ImportCancelled,
    ImportFileError,
    ImportNotReady,
)
from tenant_apps.products.file_formats import read_columns
from tenant_apps.products.models import (
    HANDLE_LENGTH,
    ImportChange,
    ImportChunk,
    ImportFaultyRow,
    ImportProblem,
    ImportRun,
    ImportState,
    MatchBy,
)
from tenant_apps.products.money import current_currency
from tenant_apps.products.permissions import require_import
from tenant_apps.products.product_import import Listener, Report, import_products
from tenant_apps.products.product_rows import FAULT_COLUMN, Problem, Row
from tenant_apps.users.models import User

CHUNK_BYTES = 256 * 1024
DEFAULT_MAX_BYTES = 50 * 1024 * 1024
_PAGE_ROWS = 1_000
_PROGRESS_SECONDS = 3_600
# Of those that ended a moment ago an open page hears once more.
_NEWS_FOR = timedelta(minutes=1)
_NEWS = 5
_STUCK_AFTER = timedelta(hours=2)
_KEPT_FOR = timedelta(days=7)
_PREVIEW_KEPT_FOR = timedelta(days=30)
_CANCELLED = "The import was cancelled, and nothing of it was imported."


def max_bytes() -> int:
    """The largest file that is taken."""
    limit: int = getattr(settings, "PRODUCT_IMPORT_MAX_BYTES", DEFAULT_MAX_BYTES)
    return limit


def start_import(
    *,
    file_name: str,
    pieces: Callable[[], Iterable[bytes]],
    skips_faulty: bool,
    by: User,
    match_by: MatchBy = MatchBy.HANDLE,
) -> ImportRun:
    """Keep a file and have it checked once this transaction is committed.

    What can be seen at once is refused at once: size, encoding, header.

    Args:
        pieces: gives the file's bytes from the start, each time it is called.
        match_by: what says that a product of the file is one that is here.
    Raises:
        NotAllowed: `by` may not import products.
        FileTooLarge, FileEmpty, NotUtf8, WrongHeader, BrokenCsv.
    """
    from tenant_apps.products.tasks import check_import as check_import_task

    require_import(by)
    size = sum(len(piece) for piece in pieces())
    if size > max_bytes():
        raise FileTooLarge(
            f"The file has {size / 1_048_576:.1f} MB; {max_bytes() / 1_048_576:.0f} MB is the "
            f"most that is "
            "taken. Split it: each part with the header, and all rows of a product in one part."
        )
    if not size:
        raise FileEmpty("The file is empty. Choose one with a header and at least one product.")
    header = CsvFile(pieces).read_header()
    read_columns(header, match_by=match_by)
    if (bad := find_bad_byte(pieces())) is not None:
        raise bad
    with transaction.atomic():
        run = ImportRun.objects.create(
            file_name=_kept_name(file_name),
            file_bytes=size,
            skips_faulty=skips_faulty,
            match_by=match_by,
            header=header,
            created_by=by,
        )
        for number, data in enumerate(_in_chunks(pieces())):
            ImportChunk.objects.create(run=run, number=number, data=data)
        check_import_task.delay_on_commit(str(run.pk))
    return run


def check_import(*, run: ImportRun) -> ImportRun:
    """Read the whole file and note what an import would do, row by row. Safe to repeat.

    Raises:
        SoftTimeLimitExceeded, DatabaseError and whatever else goes wrong on our side, for the log: the
        run has ended as failed by then, with a sentence.
    """
    with _ending(run), transaction.atomic():
        if not _take(run, ImportState.CHECKING):
            return run
        run.problems.all().delete()
        run.faulty_rows.all().delete()
        run.changes.all().delete()
        report = import_products(
            file=CsvFile(lambda: _kept_pieces(run)),
            currency=current_currency(),
            by=run.created_by,
            writes=False,
            skips_faulty=run.skips_faulty,
            match_by=MatchBy(run.match_by),
            listener=_keeping_listener(run),
        )
        _require_products(report)
        run.state = ImportState.CHECKED
        run.report = report.as_json()
        run.checked_at = timezone.now()
        run.save(update_fields=["state", "report", "checked_at"])
        if run.created_by_id:
            live.poke(run.created_by_id)
    return run


def request_import(*, run: ImportRun, by: User) -> ImportRun:
    """Have a checked file imported once this transaction is committed.

    Raises:
        NotAllowed: `by` may not import products.
        ImportNotReady: it is not checked, was imported already, or has faults and is to be all or
        nothing.
    """
    from tenant_apps.products.tasks import apply_import as apply_import_task

    require_import(by)
    with transaction.atomic():
        locked = ImportRun.objects.select_for_update().get(pk=run.pk)
        if locked.state != ImportState.CHECKED:
            raise ImportNotReady(
                f"This import is {locked.get_state_display().lower()}; only a checked one can be "
                f"imported."
            )
        if not can_apply(locked):
            raise ImportNotReady(
                "The file has faults and nothing of it is imported until they are mended. "
                "Download the "
                "faulty rows, mend them and send them as a file of their own."
            )
        run.state = ImportState.IMPORTING
        run.started_at = timezone.now()
        run.save(update_fields=["state", "started_at"])
        cache.delete(_progress_key(run))
        apply_import_task.delay_on_commit(str(run.pk))
    return run


def cancel_import(*, run: ImportRun, by: User) -> ImportRun:
    """Import nothing of a file. What waits ends at once; a worker that is at it stops in a moment, and
    what it has written is undone. Where it is done before it hears of it, it stays imported.

    Raises:
        NotAllowed: `by` may not import products.
        ImportNotReady: it has ended already.
    """
    require_import(by)
    with transaction.atomic():
        # A worker that is at it holds the row until it ends.
        waiting = ImportRun.objects.select_for_update(skip_locked=True).filter(pk=run.pk).first()
        now = waiting or ImportRun.objects.get(pk=run.pk)
        if not now.is_working and now.state != ImportState.CHECKED:
            raise ImportNotReady(
                f"This import is {now.get_state_display().lower()}; only one that has not ended can "
                "be cancelled."
            )
        trail.record(verb="products.import_cancelled", subject=now, actor=by)
        if waiting is None:
            cache.set(_cancelled_key(run), "yes", timeout=_PROGRESS_SECONDS)
            return run
        return _end(now, ImportState.CANCELLED, _CANCELLED)


def can_apply(run: ImportRun) -> bool:
    """Whether a checked file may be imported."""
    report = run.report
    has_changes = report.get("created", 0) + report.get("updated", 0) > 0
    return (
        run.state == ImportState.CHECKED
        and has_changes
        and (run.skips_faulty or not report["faulty"])
    )


def apply_import(*, run: ImportRun) -> ImportRun:
    """Write what the check promised, in one transaction. Safe to repeat: a killed worker left
    nothing.

    Raises:
        as check_import.
    """
    listener = Listener(
        on_problems=lambda _: None,
        on_faulty_rows=lambda _: None,
        on_progress=lambda done: _note_progress(run, done),
    )
    with _ending(run), transaction.atomic():
        if _take(run, ImportState.IMPORTING):
            _write_products(run, CsvFile(lambda: _kept_pieces(run)), listener)
    return run


def check_file(
    *,
    pieces: Callable[[], Iterable[bytes]],
    skips_faulty: bool,
    listener: Listener,
    match_by: MatchBy = MatchBy.HANDLE,
) -> Report:
    """Say what an import of a file would do, without keeping anything: the operators' check.

    Raises:
        ImportFileError: the file cannot be read.
    Runs in: the tenant's schema.
    """
    with transaction.atomic():
        report = import_products(
            file=CsvFile(pieces),
            currency=current_currency(),
            by=None,
            writes=False,
            skips_faulty=skips_faulty,
            match_by=match_by,
            listener=listener,
        )
    _require_products(report)
    return report


def import_file(
    *,
    file_name: str,
    file_bytes: int,
    pieces: Callable[[], Iterable[bytes]],
    skips_faulty: bool,
    listener: Listener,
    match_by: MatchBy = MatchBy.HANDLE,
) -> ImportRun:
    """Import a file of any size now, without keeping it: the operators' way.

    A run and a line of the trail tell of it, as of an import from the page, with nobody as its
    author.

    Args:
        listener: is told of problems, of faulty rows with a sentence each, and of the bytes read.
    Returns:
        The run, imported or refused; `refusal` says why.
    Raises:
        ImportFileError: the file's beginning cannot be read; there is no run then.
        and as check_import.
    Runs in: the tenant's schema, in transactions of its own.
    """
    header = CsvFile(pieces).read_header()
    read_columns(header, match_by=match_by)
    run = ImportRun.objects.create(
        file_name=_kept_name(file_name),
        file_bytes=file_bytes,
        skips_faulty=skips_faulty,
        match_by=match_by,
        header=header,
        state=ImportState.IMPORTING,
        started_at=timezone.now(),
    )
    with _ending(run), transaction.atomic():
        _write_products(run, CsvFile(pieces), listener)
    return run


def _write_products(run: ImportRun, file: CsvFile, listener: Listener) -> None:
    report = import_products(
        file=file,
        currency=current_currency(),
        by=run.created_by,
        writes=True,
        skips_faulty=run.skips_faulty,
        match_by=MatchBy(run.match_by),
        listener=listener,
    )
    run.report = report.as_json()
    _require_products(report)
    if report.faulty and not run.skips_faulty:
        raise ImportNotReady("The file has faults; nothing was imported.")
    run.state = ImportState.IMPORTED
    run.finished_at = timezone.now()
    run.save(update_fields=["state", "report", "finished_at"])
    run.chunks.all().delete()
    trail.record(
        verb="products.imported",
        subject=run,
        actor=run.created_by,
        after={name: run.report[name] for name in ("created", "updated", "unchanged", "faulty")},
    )
    _tell_who_started(run)


def _require_products(report: Report) -> None:
    if not report.rows:
        raise FileEmpty(
            "The file has a header and no products. Write a row for each below the header and "
            "choose the file again."
        )


def _take(run: ImportRun, state: ImportState) -> bool:
    """Lock the run, if it is still there to be worked on and no other worker has it."""
    if run.state != state:
        return False
    rows = ImportRun.objects.select_for_update(skip_locked=True).filter(pk=run.pk, state=state)
    return rows.first() is not None


@contextmanager
def _ending(run: ImportRun) -> Iterator[None]:
    """End the run where its work ends early, whatever ends it: nobody waits for it in vain.

    Around the work's transaction, so that the end is kept when the work is rolled back.
    """
    try:
        yield
    except (ImportFileError, ImportNotReady) as error:
        _end(run, ImportState.REFUSED, str(error))
    except ImportCancelled as error:
        _end(run, ImportState.CANCELLED, str(error))
    except SoftTimeLimitExceeded:
        _end(
            run,
            ImportState.FAILED,
            "The file takes longer than an import may, so nothing was imported. Split it: each "
            "part with the header, and all rows of a product in one part. Or ask whoever runs the "
            "platform to import it by command, which takes files of any size.",
        )
        raise
    except Exception:
        _end(
            run,
            ImportState.FAILED,
            "The import was stopped by an error on our side, and nothing was imported. Choose the "
            "file again; if it happens again, tell us the time.",
        )
        raise


def tidy_imports() -> int:
    """End the imports that nobody will end. Returns how many.

    A worker that was killed again and again leaves a run at work for ever; a file that was checked
    and never imported is not kept for longer than a week.
    """
    now = timezone.now()
    ended = 0
    stuck = Q(state=ImportState.CHECKING, created_at__lt=now - _STUCK_AFTER) | Q(
        state=ImportState.IMPORTING, started_at__lt=now - _STUCK_AFTER
    )
    for run in ImportRun.objects.filter(stuck):
        _end(
            run,
            ImportState.FAILED,
            "The import was interrupted, and nothing of it was imported. Choose the file again.",
        )
        ended += 1
    old = Q(state=ImportState.CHECKED, checked_at__lt=now - _KEPT_FOR)
    for run in ImportRun.objects.filter(old):
        _end(run, ImportState.REFUSED, "The file was not imported within a week, so it is gone.")
        ended += 1
    ImportChange.objects.filter(run__created_at__lt=now - _PREVIEW_KEPT_FOR).delete()
    return ended


def progress_percent(run: ImportRun) -> int:
    """How much of the file has been read, 0 to 100. 0 where the cache does not know."""
    done = cache.get(_progress_key(run)) or 0
    return min(100, round(100 * done / run.file_bytes)) if run.file_bytes else 100


def news_of(person: User) -> list[dict[str, Any]]:
    """The person's imports that are at work or ended a moment ago, for their open pages. One statement."""
    since = timezone.now() - _NEWS_FOR
    mine = ImportRun.objects.filter(created_by=person).filter(
        Q(state__in=[ImportState.CHECKING, ImportState.IMPORTING]) | Q(finished_at__gte=since)
    )
    return [
        {"id": str(run.pk), "state": run.state, "percent": progress_percent(run)}
        for run in mine.order_by("-created_at")[:_NEWS]
    ]


def faulty_rows_as_csv(run: ImportRun) -> Iterator[str]:
    """The rows of the faulty products, to be mended and sent again: the file's header and one
    column more.

    Cells that a spreadsheet would run as a formula get an apostrophe, which an import takes off
    again.
    """
    yield "\ufeff" + write_row([*run.header, FAULT_COLUMN])
    last = 0
    while rows := list(run.faulty_rows.filter(row_number__gt=last)[:_PAGE_ROWS]):
        for row in rows:
            yield write_row(row.cells)
        last = rows[-1].row_number


def _keeping_listener(run: ImportRun) -> Listener:
    width = len(run.header)

    def keep_problems(problems: list[Problem]) -> None:
        ImportProblem.objects.bulk_create(
            [
                ImportProblem(
                    run=run,
                    row_number=problem.row_number,
                    column=problem.column[:200],
                    sentence=problem.sentence,
                    is_fatal=problem.is_fatal,
                )
                for problem in problems
            ]
        )

    def keep_faulty_rows(rows: list[tuple[Row, str]]) -> None:
        ImportFaultyRow.objects.bulk_create(
            [
                ImportFaultyRow(
                    run=run, row_number=number, cells=[*_padded(cells, width), sentence]
                )
                for (number, cells), sentence in rows
            ]
        )

    def keep_changes(changes: list[dict[str, Any]]) -> None:
        ImportChange.objects.bulk_create(
            [
                ImportChange(
                    run=run,
                    handle=change["handle"][:HANDLE_LENGTH],
                    title=change["title"],
                    is_new=change["kind"] == "created",
                    changes=change["changes"],
                )
                for change in changes
            ]
        )

    return Listener(
        on_problems=keep_problems,
        on_faulty_rows=keep_faulty_rows,
        on_progress=lambda done: _note_progress(run, done),
        on_changes=keep_changes,
    )


def _padded(cells: list[str], width: int) -> list[str]:
    # PostgreSQL's jsonb takes no NUL character.
    return [cell.replace("\x00", "") for cell in cells[:width]] + [""] * (width - len(cells))


def _end(run: ImportRun, state: ImportState, sentence: str) -> ImportRun:
    run.state = state
    run.refusal = sentence
    run.finished_at = timezone.now()
    run.save(update_fields=["state", "refusal", "report", "finished_at"])
    run.chunks.all().delete()
    _tell_who_started(run)
    return run


def _tell_who_started(run: ImportRun) -> None:
    done = "is imported" if run.state == ImportState.IMPORTED else "was not imported"
    path = page_path("products:import-run", run.pk)
    notify("import_ended", sentence=f"{run.file_name} {done}.", path=path, to=[run.created_by])


def _kept_name(file_name: str) -> str:
    # PostgreSQL's text takes no NUL character.
    return file_name.replace("\x00", "")[:255]


def _note_progress(run: ImportRun, bytes_done: int) -> None:
    # In the cache: the import's own transaction shows nothing to others before its end.
    cache.set(_progress_key(run), bytes_done, timeout=_PROGRESS_SECONDS)
    live.poke_now(run.created_by_id)
    if cache.get(_cancelled_key(run)):
        raise ImportCancelled(_CANCELLED)


def _progress_key(run: ImportRun) -> str:
    return f"product-import:{run.pk}"


def _cancelled_key(run: ImportRun) -> str:
    return f"product-import-cancelled:{run.pk}"


def _kept_pieces(run: ImportRun) -> Iterator[bytes]:
    number = 0
    while True:
        data = (
            ImportChunk.objects.filter(run=run, number=number)
            .values_list("data", flat=True)
            .first()
        )
        if data is None:
            return
        yield bytes(data)
        number += 1


def _in_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        rest += piece
        while len(rest) >= CHUNK_BYTES:
            yield rest[:CHUNK_BYTES]
            rest = rest[CHUNK_BYTES:]
    if rest:
        yield rest
