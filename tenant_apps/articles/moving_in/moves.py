"""A move from its file to its end. Each verb runs in the tenant's schema.

checking → checked → taking → fetching → done; refused or failed from any of them
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, BinaryIO, Final
from urllib.parse import urlsplit

from celery.exceptions import SoftTimeLimitExceeded
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone

from shared_apps.tenants.stored_files import open_file, write_file
from tenant_apps import outbound
from tenant_apps.activity import trail
from tenant_apps.activity.notifications import notify
from tenant_apps.articles.errors import MoveNotReady, SiteInvalid
from tenant_apps.articles.models import LeftOut, Move, MovedArticle, MoveState, System
from tenant_apps.articles.models.moving import WORKING
from tenant_apps.articles.moving_in import images, taking, writers
from tenant_apps.articles.moving_in.addresses import Site
from tenant_apps.articles.moving_in.ghost_file import read_ghost_file
from tenant_apps.articles.moving_in.html_text import convert_html
from tenant_apps.articles.moving_in.records import (
    ArticleRecord,
    FileInvalid,
    SourceFile,
    WriterRecord,
)
from tenant_apps.articles.moving_in.wordpress_file import read_wordpress_file
from tenant_apps.articles.permissions import can_move_in, require_move_in
from tenant_apps.links import page_path
from tenant_apps.users.models import User

MAX_BYTES: Final = 200 * 1024 * 1024
# Nobody reads more; how many there are is in the report all the same.
MAX_LEFT_OUT: Final = 20_000
_SITE_LENGTH: Final = 200
_BEGINNING: Final = 4_096
_TOLD_EVERY: Final = 20
_ARTICLES_AT_A_TIME: Final = 200
_SECONDS_OF_A_TASK: Final = 240.0
# Whoever works on a move gives a sign of life more often than this.
_LOST_AFTER: Final = timedelta(minutes=15)
_KEPT_FOR: Final = timedelta(days=7)
_READERS: Final[dict[str, Callable[[IO[bytes], SourceFile], Iterator[ArticleRecord]]]] = {
    System.WORDPRESS: read_wordpress_file,
    System.GHOST: read_ghost_file,
}
_HOW_TO: Final = (
    "Send the .xml file of WordPress (Tools, Export, All content) or the .json file of Ghost "
    "(Settings, Import/Export, Export content)."
)


def begin_move(
    *,
    file: BinaryIO,
    file_name: str,
    size: int,
    with_pictures: bool,
    by: User,
    site_address: str = "",
) -> Move:
    """Keep a file of another system, and have it looked through once this transaction is committed.

    What can be seen in its beginning is refused at once.

    Args:
        file: as it came, at its beginning.
        size: in bytes.
        with_pictures: whether pictures are to be fetched from where they are.
        site_address: of the site before, by http or https; Ghost's file does not have it, and another
            system's own word counts.
    Raises:
        NotAllowed: `by` may not move articles in.
        FileInvalid: it is no such file, or too large.
        SiteInvalid: there can be no site at this address.
    """
    from tenant_apps.articles.tasks import check_move as check_move_task

    require_move_in(by)
    site = _site_at(site_address)
    if size > MAX_BYTES:
        raise FileInvalid(
            f"The file has {size / 1_048_576:.0f} MB; {MAX_BYTES // 1_048_576} MB is the most that is "
            "taken. WordPress exports by month or author too: send the parts one after the other."
        )
    system = system_of(file.read(_BEGINNING))
    file.seek(0)
    if system == System.WORDPRESS:
        # As far as its first article: what is no export ends here.
        next(read_wordpress_file(file, SourceFile(system=system)), None)
        file.seek(0)
    stored = f"moves/{secrets.token_hex(24)}.bin"
    with transaction.atomic():
        move = Move.objects.create(
            system=system,
            file_name=file_name.replace("\x00", "")[-255:],
            file_bytes=size,
            stored=stored,
            with_pictures=with_pictures,
            site_address=site,
            created_by=by,
        )
        write_file(stored, file)
        check_move_task.delay_on_commit(str(move.pk))
    return move


def _site_at(address: str) -> str:
    """Scheme and host of an address: that is what links and pictures are put behind."""
    if not address:
        return ""
    try:
        parts = urlsplit(address)
        is_site = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        is_site = False
    site = f"{parts.scheme}://{parts.netloc}" if is_site else ""
    if not site or len(site) > _SITE_LENGTH:
        raise SiteInvalid(
            "There is no site at this address. One begins with https:// or http://, and its name "
            "follows."
        )
    return site


def system_of(beginning: bytes) -> System:
    """Which system a file is of, by what is in it.

    Args:
        beginning: some thousand bytes.
    Raises:
        FileInvalid: of none that is known.
    """
    words = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if words.startswith(b"<"):
        return System.WORDPRESS
    if words.startswith((b"{", b"[")):
        return System.GHOST
    if not words:
        raise FileInvalid(f"The file is empty. {_HOW_TO}")
    if words.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise FileInvalid(f"The file is packed. Unpack it first. {_HOW_TO}")
    raise FileInvalid(f"This is neither an export of WordPress nor of Ghost. {_HOW_TO}")


def check_move(*, move: Move) -> Move:
    """Read the whole file and note what is in it, what would be made and what would be left out. Nothing
    is made. Safe to repeat.

    Raises:
        whatever goes wrong on our side, for the log: the move has ended as failed by then.
    """
    with _ending(move), transaction.atomic():
        if not _take(move, MoveState.CHECKING):
            return move
        move.left_out.all().delete()
        notes = _Notes(move)
        # Read once before: pictures may stand behind the articles that show them.
        attachments = _attachments(move)
        source = _source_of(move)
        counts: Counter[str] = Counter()
        names: dict[str, set[str]] = {"categories": set(), "tags": set()}
        known: dict[str, WriterRecord] = {}
        keys: set[str] = set()
        for record in _records(move, source):
            _count(record, counts, names)
            keys.add(taking.key_of(record))
            writer = taking.writer_of(record, source)
            known.setdefault(writer.key, writer)
            converted = convert_html(
                record.html,
                is_plain=record.is_plain,
                attachments=attachments,
                lead_on=Site(source.address).whole,
            )
            if not source.address:
                _note_homeless_pictures(record, converted.markdown, notes)
            counts["pictures"] += images.count_shown(converted.markdown) + bool(record.image_url)
            for loss in converted.losses:
                notes.note("in the text", taking.title_of(record), loss)
            _note_state(record, notes)
        for left in source.left_out:
            notes.note(left.what, left.title, left.why)
        if not counts["articles"]:
            raise FileInvalid("There are no articles in this file.")
        # Ghost's keys are UUIDs, which mean something everywhere, wherever the site is said to be.
        move.site = "" if move.system == System.GHOST else source.address[:_SITE_LENGTH]
        moved = MovedArticle.objects.filter(system=move.system, site=move.site)
        people = writers.people_here(known)
        move.report = {
            **counts,
            **{name: len(found) for name, found in names.items()},
            "title": source.title[:200],
            "already": len(keys.intersection(moved.values_list("key", flat=True))),
            "writers": [
                {"name": writer.name or key, "here": str(people[key]) if key in people else ""}
                for key, writer in list(known.items())[:100]
            ],
        }
        move.report["left_out"] = notes.finish()
        move.state = MoveState.CHECKED
        move.checked_at = timezone.now()
        move.save(update_fields=["state", "report", "site", "checked_at"])
    return move


def request_take(*, move: Move, by: User) -> Move:
    """Have a checked file taken over once this transaction is committed.

    Raises:
        NotAllowed: `by` may not move articles in.
        MoveNotReady: it is not checked, or another one is under way.
    """
    from tenant_apps.articles.tasks import take_move as take_move_task

    require_move_in(by)
    try:
        with transaction.atomic():
            locked = Move.objects.select_for_update().get(pk=move.pk)
            if locked.state != MoveState.CHECKED:
                raise MoveNotReady(
                    f"This file is {locked.get_state_display().lower()}; only a checked one can be "
                    "taken over."
                )
            move.state = MoveState.TAKING
            move.started_at = move.worked_at = timezone.now()
            # Who says so now answers for it.
            move.created_by = by
            move.save(update_fields=["state", "started_at", "worked_at", "created_by"])
            take_move_task.delay_on_commit(str(move.pk))
    except IntegrityError as error:
        raise MoveNotReady(
            "Another file is being taken over. Wait until that is done, then take this one."
        ) from error
    return move


def take_move(*, move: Move) -> Move:
    """Make the articles that are not here yet, each in a transaction of its own, in the file's order.
    Safe to repeat: a worker that was killed left whole articles, and the next one goes on.

    Not inside a transaction.

    Raises:
        as check_move.
    """
    from tenant_apps.articles.tasks import fetch_move_pictures

    if move.state != MoveState.TAKING:
        return move
    with _ending(move):
        by = _whoever_answers(move)
        notes = _Notes(move, at_once=True)
        source = _source_of(move)
        plan = taking.read_plan(_records(move, source), source, system=move.system, site=move.site)
        with transaction.atomic():
            again = _source_of(move)
            known = move.left_out.filter(what="writer").exists()
            note = _say_nothing if known else notes.note  # the worker before said it
            taking.make_places(plan, _records(move, again), by=by, note=note)
        done = made = 0
        for record in _records(move, _source_of(move)):
            made += taking.take_article(record, plan, move=move, by=by, note=notes.note) is not None
            done += 1
            if done % _TOLD_EVERY == 0:
                _tell(move, done=done)
        made = MovedArticle.objects.filter(move=move).count()
        move.report |= {"done": done, "taken": made, "left_out": notes.finish()}
        with transaction.atomic():
            trail.record(verb="articles.moved_in", subject=move, actor=by, after={"articles": made})
            if move.with_pictures:
                move.state, move.worked_at = MoveState.FETCHING, timezone.now()
                move.save(update_fields=["state", "worked_at", "report"])
                fetch_move_pictures.delay_on_commit(str(move.pk))
            else:
                _end(move, MoveState.DONE)
    return move


def fetch_pictures(
    *,
    move: Move,
    allow: Callable[[outbound.Address], bool] = outbound.is_public,
    seconds: float = _SECONDS_OF_A_TASK,
) -> bool:
    """Fetch the pictures of the articles that were taken, for some minutes. Returns whether there are
    more to fetch. Safe to repeat.

    Not inside a transaction.

    Args:
        allow: which addresses may be called.
    Raises:
        as check_move.
    """
    if move.state != MoveState.FETCHING:
        return False
    with _ending(move):
        notes = _Notes(move, at_once=True)
        waiting = MovedArticle.objects.filter(move=move, pictures_done=False).order_by("id")
        rows = list(waiting.select_related("article")[:_ARTICLES_AT_A_TIME])
        fetcher = images.Fetcher(
            by=_whoever_answers(move),
            note=notes.note,
            alive=lambda: _give_sign(move),
            allow=allow,
        )
        articles, fetched = images.bring_all(fetcher, rows, seconds=seconds)
        move.report["fetched"] = move.report.get("fetched", 0) + fetched
        move.report["looked_at"] = move.report.get("looked_at", 0) + articles
        move.report["left_out"] = notes.finish()
        if waiting.exists():
            move.worked_at = timezone.now()
            move.save(update_fields=["report", "worked_at"])
            return True
        with transaction.atomic():
            _end(move, MoveState.DONE)
    return False


def look_after_moves() -> list[tuple[str, str]]:
    """The moves that nobody works on any more: their state and key, so that their tasks are published
    anew. Files that were looked through and never taken over are not kept for longer than a week."""
    now = timezone.now()
    old = Move.objects.filter(state=MoveState.CHECKED, checked_at__lt=now - _KEPT_FOR)
    for move in old:
        with transaction.atomic():
            _end(
                move, MoveState.REFUSED, "It was not taken over within a week, so the file is gone."
            )
    lost = Move.objects.filter(state__in=WORKING, worked_at__lt=now - _LOST_AFTER)
    found = [(move.state, str(move.pk)) for move in lost]
    lost.update(worked_at=now)
    return found


def progress_percent(move: Move) -> int:
    """How much of what is under way is done, 0 to 100."""
    part = "done" if move.state == MoveState.TAKING else "looked_at"
    whole = move.report.get("articles" if part == "done" else "taken", 0)
    return min(100, round(100 * move.report.get(part, 0) / whole)) if whole else 0


class _Notes:
    """Writes down what is left out.

    Args:
        at_once: each note in the transaction of what it is about, so that both are there or neither is;
            otherwise all of them at the end.
    """

    def __init__(self, move: Move, *, at_once: bool = False) -> None:
        self._move = move
        self._at_once = at_once
        self._rows: list[LeftOut] = []
        self._count = 0

    def note(self, what: str, title: str, why: str) -> None:
        self._count += 1
        if self._count > MAX_LEFT_OUT:
            return
        clean = [text.replace("\x00", "") for text in (what, title, why)]
        row = LeftOut(move=self._move, what=clean[0][:40], title=clean[1][:300], why=clean[2][:500])
        if self._at_once:
            row.save(force_insert=True)
        else:
            self._rows.append(row)

    def finish(self) -> int:
        """How many there are of this move, the ones that are not kept too."""
        LeftOut.objects.bulk_create(self._rows, batch_size=500)
        self._rows = []
        unkept = self._move.report.get("unkept", 0) + max(0, self._count - MAX_LEFT_OUT)
        self._move.report["unkept"] = unkept
        return self._move.left_out.count() + int(unkept)


def _say_nothing(what: str, title: str, why: str) -> None:
    pass


def _records(move: Move, source: SourceFile) -> Iterator[ArticleRecord]:
    file = open_file(move.stored)
    if file is None:
        raise FileInvalid("The file is gone. Send it again.")
    with file:
        yield from _READERS[move.system](file, source)


def _source_of(move: Move) -> SourceFile:
    # WordPress's file says itself where its site is, and knows better.
    address = move.site_address if move.system == System.GHOST else ""
    return SourceFile(system=move.system, address=address)


def _attachments(move: Move) -> dict[str, str]:
    source = _source_of(move)
    for _ in _records(move, source):
        pass
    return source.attachments


def _count(record: ArticleRecord, counts: "Counter[str]", names: dict[str, set[str]]) -> None:
    counts["articles"] += 1
    counts["pages"] += record.is_page
    counts[taking.state_of(record)] += 1
    counts["comments"] += len(record.comments)
    names["categories"].update(term.slug for term in record.categories)
    names["tags"].update(term.slug for term in record.tags)


def _note_state(record: ArticleRecord, notes: _Notes) -> None:
    title = taking.title_of(record)
    if record.is_page:
        notes.note("page", title, "Becomes an article: there are no pages of another kind here.")
    if record.needs_password:
        notes.note("password", title, "Was shown to those who know a word: becomes a draft.")
    if len(record.categories) > 1:
        notes.note(
            "categories", title, "Stands in the first of its categories; the others become tags."
        )


def _note_homeless_pictures(record: ArticleRecord, markdown: str, notes: _Notes) -> None:
    """Pictures of which the file says a path alone, where nobody says which site's it is."""
    homeless = images.count_homeless(markdown) + record.image_url.startswith("/")
    if homeless:
        notes.note(
            "picture",
            taking.title_of(record),
            f"The file does not say where {homeless} of its pictures are: they will not be shown. Send "
            "the file again with the address of the site.",
        )


def _whoever_answers(move: Move) -> User:
    by = move.created_by
    if by is None or not can_move_in(by):
        raise MoveNotReady(
            "Whoever began this is not here any more, or may not move articles in. Begin anew."
        )
    return by


def _tell(move: Move, *, done: int) -> None:
    move.report["done"] = done
    Move.objects.filter(pk=move.pk).update(report=move.report, worked_at=timezone.now())


def _give_sign(move: Move) -> None:
    Move.objects.filter(pk=move.pk).update(worked_at=timezone.now())


def _take(move: Move, state: MoveState) -> bool:
    """Lock the move, if it is still there to be worked on and no other worker has it."""
    rows = Move.objects.select_for_update(skip_locked=True).filter(pk=move.pk, state=state)
    return rows.first() is not None


@contextmanager
def _ending(move: Move) -> Iterator[None]:
    """End the move where its work ends early, whatever ends it: nobody waits for it in vain."""
    try:
        yield
    except (FileInvalid, MoveNotReady) as error:
        with transaction.atomic():
            _end(move, MoveState.REFUSED, str(error))
    except SoftTimeLimitExceeded:
        # What is taken is taken; the next worker goes on.
        raise
    except Exception:
        with transaction.atomic():
            _end(
                move,
                MoveState.FAILED,
                "It was stopped by an error on our side. What was taken over is here; send the file "
                "again, and it goes on from there. If it happens again, tell us the time.",
            )
        raise


def _end(move: Move, state: MoveState, sentence: str = "") -> None:
    move.state, move.refusal = state, sentence
    move.finished_at = timezone.now()
    stored, move.stored = move.stored, ""
    move.save(update_fields=["state", "refusal", "report", "finished_at", "stored"])
    done = "is done" if state == MoveState.DONE else "has ended before it was done"
    notify(
        "move_ended",
        sentence=f"Moving in from {move.file_name} {done}.",
        path=page_path("articles:move", move.pk),
        to=[move.created_by],
    )
    if stored:
        transaction.on_commit(lambda: default_storage.delete(stored))
