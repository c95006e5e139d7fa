"""Articles of another system's file become articles here: one transaction for each.

Each verb runs in the tenant's schema.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import Truncator

from tenant_apps.activity import trail
from tenant_apps.articles import searching, subscribing
from tenant_apps.articles.commenting import MAX_DEPTH
from tenant_apps.articles.forms import MAX_BODY_CHARACTERS
from tenant_apps.articles.models import (
    RESERVED_SLUGS,
    SLUG_LENGTH,
    WORDS,
    Article,
    Category,
    Comment,
    CommentState,
    Move,
    MovedAddress,
    MovedArticle,
    OldAddress,
    Revision,
    State,
    Tag,
    Visibility,
)
from tenant_apps.articles.models.comments import COMMENT_LENGTH
from tenant_apps.articles.models.moving import PICTURE_ADDRESS_LENGTH
from tenant_apps.articles.moving_in import sorted_places, writers
from tenant_apps.articles.moving_in.addresses import Site, normal_address
from tenant_apps.articles.moving_in.html_text import convert_html, plain_text
from tenant_apps.articles.moving_in.records import (
    PUBLISHED,
    SCHEDULED,
    ArticleRecord,
    CommentRecord,
    SourceFile,
    WriterRecord,
)
from tenant_apps.articles.rendering import make_excerpt
from tenant_apps.articles.writing import free_slug
from tenant_apps.slugs import slug_from
from tenant_apps.users.models import User

_TITLE_LENGTH: Final = 200
_EXCERPT_LENGTH: Final = 300
_NAME_LENGTH: Final = 80
_KEY_LENGTH: Final = 200
_NO_SENDER: Final = "moved"
Note = Callable[[str, str, str], None]


@dataclass(slots=True)
class Plan:
    """What is known of a file once it was read to its end: who wrote, what is sorted where, and which
    address each article will have.

    Args:
        slugs: of the articles to come, by their key.
        here: the slugs of those that came with a file before, by their key.
        targets: the new path by the old address.
    """

    source: SourceFile
    slugs: dict[str, str] = field(default_factory=dict)
    here: dict[str, str] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    people: dict[str, User] = field(default_factory=dict)
    categories: dict[str, Category] = field(default_factory=dict)
    tags: dict[str, Tag] = field(default_factory=dict)
    site: Site = field(default_factory=lambda: Site(""))

    def lead_on(self, address: str) -> str:
        """Where a link of a text leads now: to the article here, or on to the site before."""
        own = self.site.path_of_own(address)
        if own is None:
            return self.site.whole(address)
        target = self.targets.get(normal_address(own))
        if target is None:
            return self.site.whole(address)
        _, mark, place = address.partition("#")
        return target + mark + place


def key_of(record: ArticleRecord) -> str:
    return record.key[:_KEY_LENGTH]


def title_of(record: ArticleRecord) -> str:
    """The title in one line; the first words where there is none."""
    title = plain_text(record.title).replace("\x00", "")
    if not title:
        title = Truncator(plain_text(record.html)).words(8, truncate=" …")
    return Truncator(title or "Untitled").chars(_TITLE_LENGTH, truncate="…")


def writer_of(record: ArticleRecord, source: SourceFile) -> WriterRecord:
    """Who wrote it; by name alone where the file has no list of writers."""
    known = source.writers.get(record.writer)
    return known or WriterRecord(key=record.writer, name=record.writer)


def read_plan(
    records: Iterable[ArticleRecord], source: SourceFile, *, system: str, site: str
) -> Plan:
    """Read a file to its end, and give each article its address. Writes nothing.

    Args:
        site: of the articles that were moved before; see Move.site.
    """
    plan = Plan(source=source)
    moved = MovedArticle.objects.filter(system=system, site=site)
    plan.here = dict(moved.values_list("key", "article__slug"))
    taken = set(Article.objects.values_list("slug", flat=True))
    taken |= set(OldAddress.objects.values_list("slug", flat=True))
    taken |= RESERVED_SLUGS
    for record in records:
        key = key_of(record)
        if key in plan.here:
            slug = plan.here[key]
        else:
            slug = _numbered(slug_of(record), taken)
            taken.add(slug)
        plan.slugs[key] = slug
        for address in record.addresses:
            if normal := normal_address(address):
                plan.targets.setdefault(normal, f"/articles/{slug}/")
    plan.site = Site(source.address)
    return plan


def slug_of(record: ArticleRecord) -> str:
    """The last part of its address, as it was where it can be."""
    wanted = slug_from(record.slug, max_length=SLUG_LENGTH)
    return wanted or slug_from(title_of(record), max_length=SLUG_LENGTH) or "article"


def _numbered(base: str, taken: set[str]) -> str:
    if base not in taken:
        return base
    number = 2
    while (slug := f"{base[: SLUG_LENGTH - len(str(number)) - 1]}-{number}") in taken:
        number += 1
    return slug


def make_places(plan: Plan, records: Iterable[ArticleRecord], *, by: User, note: Note) -> None:
    """Make the writers, categories and tags that the articles name, where they are not here. Safe to
    repeat."""
    terms = dict.fromkeys(plan.source.terms)
    names: dict[str, str] = {}
    known = dict(plan.source.writers)
    for record in records:
        terms |= dict.fromkeys((*record.categories, *record.tags))
        # An article has one category here: the others are tags.
        for term in (*record.tags, *record.categories[1:]):
            names.setdefault(sorted_places.slug_of(term), term.name or term.slug)
        writer = writer_of(record, plan.source)
        known.setdefault(writer.key, writer)
    plan.categories = sorted_places.make_categories(terms, by=by)
    plan.tags = sorted_places.make_tags(names.values())
    sorted_places.keep_addresses(terms, categories=plan.categories, tags=plan.tags)
    plan.people = writers.people_here(known)
    new: dict[str, User] = {}
    for key, writer in known.items():
        if key in plan.people:
            continue
        if writers.can_let_in(by):
            # Two names with one address are one person.
            address = writers.address_of(writer)
            if address not in new:
                new[address] = writers.let_in(writer, by=by)
            plan.people[key] = new[address]
        else:
            plan.people[key] = by
            note(
                "writer",
                writer.name or key,
                "Is not here, and your role does not let people in: the articles stand under your name.",
            )


def take_article(
    record: ArticleRecord, plan: Plan, *, move: Move, by: User, note: Note
) -> Article | None:
    """Make one article, with its revision, comments, old addresses and a line in the trail. None where it
    is here already. Nobody is written to."""
    key = key_of(record)
    if key in plan.here:
        return None
    # The second time somebody has taken the address since the file was read.
    for is_second in (False, True):
        slug = free_slug(slug_of(record)) if is_second else plan.slugs[key]
        try:
            with transaction.atomic():
                return _make(record, plan, slug=slug, move=move, by=by, note=note)
        except IntegrityError as error:
            name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
            if name == "articles_movedarticle_key":
                # Another worker has it, from the same file.
                return None
            if name != "articles_article_slug":
                raise
    note("article", title_of(record), "Its address was taken twice meanwhile. Send the file again.")
    return None


def _make(
    record: ArticleRecord, plan: Plan, *, slug: str, move: Move, by: User, note: Note
) -> Article:
    title = title_of(record)
    converted = convert_html(
        record.html,
        is_plain=record.is_plain,
        attachments=plan.source.attachments,
        lead_on=plan.lead_on,
    )
    body = converted.markdown.rstrip()[:MAX_BODY_CHARACTERS]
    excerpt = Truncator(plain_text(record.excerpt)).chars(_EXCERPT_LENGTH, truncate="…")
    article = Article(
        title=title,
        slug=slug,
        body=body,
        excerpt=excerpt,
        made_excerpt=make_excerpt(body),
        author=plan.people[writer_of(record, plan.source).key],
        category=_category_of(record, plan),
        visibility=Visibility.MEMBERS if record.members_only else Visibility.PUBLIC,
        **_dates_of(record, by=by),
    )
    article.save(force_insert=True)
    article.tags.set(_tags_of(record, plan))
    words = {name: getattr(article, name) for name in WORDS}
    Revision.objects.create(
        article=article, number=1, saved_at=article.updated_at, saved_by=article.author, **words
    )
    searching.index_article(article=article)
    if article.is_published:
        subscribing.keep_quiet_about(article=article)
    image = plan.site.whole(plan.source.attachments.get(record.image_url, record.image_url))
    MovedArticle.objects.create(
        system=move.system,
        site=move.site,
        key=key_of(record),
        article=article,
        move=move,
        image_url=image if len(image) <= PICTURE_ADDRESS_LENGTH and "://" in image else "",
    )
    addresses = dict.fromkeys(map(normal_address, record.addresses))
    MovedAddress.objects.bulk_create(
        [MovedAddress(address=one, article=article) for one in addresses if one],
        ignore_conflicts=True,
    )
    _keep_comments(article, record.comments, note=note)
    trail.record(
        verb="article.moved_in",
        subject=article,
        actor=by,
        after={"from": move.get_system_display()},
    )
    if slug != slug_of(record):
        note("address", title, f"“{slug_of(record)}” is taken here: it is at “{slug}” now.")
    return article


def state_of(record: ArticleRecord) -> State:
    """The state that it has here. What was scheduled for a time that has passed is published, as it would
    be there; what needed a password is a draft."""
    if record.needs_password or record.state not in {PUBLISHED, SCHEDULED}:
        return State.DRAFT
    now = timezone.now()
    at = record.published_at or record.created_at or now
    is_ahead = record.state == SCHEDULED and at > now
    return State.SCHEDULED if is_ahead else State.PUBLISHED


def _dates_of(record: ArticleRecord, *, by: User) -> dict[str, object]:
    """State and dates as they were."""
    now = timezone.now()
    state = state_of(record)
    created = record.created_at or record.published_at or now
    dates: dict[str, object] = {
        "created_at": created,
        "updated_at": record.updated_at or record.published_at or created,
    }
    at = record.published_at or created
    if state == State.SCHEDULED:
        dates |= {"scheduled_for": at, "scheduled_by": by}
    if state == State.PUBLISHED:
        dates |= {"published_at": min(at, now), "published_by": by}
    return {**dates, "state": state}


def _category_of(record: ArticleRecord, plan: Plan) -> Category | None:
    for term in record.categories:
        if found := plan.categories.get(sorted_places.slug_of(term)):
            return found
    return None


def _tags_of(record: ArticleRecord, plan: Plan) -> list[Tag]:
    chosen = _category_of(record, plan)
    slugs = [sorted_places.slug_of(term) for term in (*record.tags, *record.categories)]
    return [
        plan.tags[slug]
        for slug in dict.fromkeys(slugs)
        if slug in plan.tags
        and (
            slug in {sorted_places.slug_of(tag) for tag in record.tags}
            or chosen is None
            or slug != chosen.slug
        )
    ]


def _keep_comments(article: Article, records: Sequence[CommentRecord], *, note: Note) -> None:
    """In the order in which they were written, each below what it answers."""
    kept: dict[str, Comment] = {}
    for record in _parents_first(records):
        words = convert_html(record.text).markdown if "<" in record.text else record.text
        words = words.replace("\x00", "").strip()
        if len(words) > COMMENT_LENGTH:
            note("comment", article.title, f"Cut after {COMMENT_LENGTH:,} characters.")
        parent = kept.get(record.parent_key)
        if parent is not None and parent.depth >= MAX_DEPTH:
            parent = parent.answers
        kept[record.key or str(len(kept))] = Comment(
            article=article,
            thread=(parent.thread or parent) if parent else None,
            answers=parent,
            depth=parent.depth + 1 if parent else 0,
            name=(plain_text(record.name) or "Anonymous")[:_NAME_LENGTH],
            email=_email_of(record),
            body=words[:COMMENT_LENGTH],
            sender=_NO_SENDER,
            state=CommentState.APPROVED if record.is_approved else CommentState.PENDING,
            made_at=record.written_at,
        )
    Comment.objects.bulk_create(kept.values(), batch_size=500)


def _parents_first(records: Sequence[CommentRecord]) -> Iterator[CommentRecord]:
    """By time; an answer after what it answers, whatever its date says. Of answers in a ring, which only
    a broken file has, none waits for ever."""
    waiting = sorted(records, key=lambda one: one.written_at)
    keys = {one.key for one in waiting}
    given: set[str] = set()
    while waiting:
        ready = [
            one
            for one in waiting
            if not one.parent_key or one.parent_key in given or one.parent_key not in keys
        ] or waiting
        yield from ready
        given |= {one.key for one in ready}
        chosen = set(map(id, ready))
        waiting = [one for one in waiting if id(one) not in chosen]


def _email_of(record: CommentRecord) -> str:
    try:
        validate_email(record.email)
    except ValidationError:
        return ""
    return record.email[:254]
