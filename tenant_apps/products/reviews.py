"""What members think of products. Each verb runs in the tenant's schema.

A review is shown once somebody has approved it. The product's count and stars are changed by the same
verb, in the same transaction, under the product's lock: nothing else writes them.
"""

from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from tenant_apps.activity import trail, webhooks
from tenant_apps.activity.notifications import notify
from tenant_apps.links import page_path
from tenant_apps.products.errors import ReviewInvalid, WrongState
from tenant_apps.products.models import (
    REVIEW_LENGTH,
    Product,
    Review,
    ReviewState,
)
from tenant_apps.products.permissions import require_moderate, require_review
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User

MAX_STARS = 5


def write_review(*, product: Product, stars: int, text: str, by: User) -> Review:
    """Write one's review of a product, or write it anew. It waits to be approved, and is not shown
    until then.

    Args:
        stars: 1 to 5.
        text: 5,000 characters at most; may be empty.
    Raises:
        NotAllowed: `by` is not an active member.
        ReviewInvalid: the stars or the text cannot be.
        WrongState: the product is not on sale.
    """
    require_review(by)
    text = text.replace("\x00", "").strip()
    if not 1 <= stars <= MAX_STARS:
        raise ReviewInvalid("Give 1 to 5 stars.")
    if len(text) > REVIEW_LENGTH:
        raise ReviewInvalid(
            f"The text has {len(text):,} characters; {REVIEW_LENGTH:,} is the most. Shorten it.",
            field="text",
        )
    with transaction.atomic():
        # One review at a time: two requests of one person meet here.
        row = _locked(product.pk)
        if not row.is_published:
            raise WrongState(f'"{product}" is not on sale, so it cannot be reviewed.')
        review = Review.objects.filter(product=row, author=by).first()
        if review is None:
            review = Review.objects.create(product=product, author=by, stars=stars, text=text)
            _tell_of(review, product)
            return review
        if (review.stars, review.text) == (stars, text):
            return review
        _count(review, -1)
        review.stars, review.text = stars, text
        review.state, review.written_at = ReviewState.WAITING, timezone.now()
        review.decided_at = review.decided_by = None
        review.save(
            update_fields=["stars", "text", "state", "written_at", "decided_at", "decided_by"]
        )
        _tell_of(review, product)
    return review


def approve_review(*, review: Review, by: User) -> Review:
    """Show it, and count its stars. Raises NotAllowed, WrongState."""
    return _decide(review, ReviewState.APPROVED, by)


def refuse_review(*, review: Review, by: User) -> Review:
    """Show it no more, and count its stars no more. Raises NotAllowed, WrongState."""
    return _decide(review, ReviewState.REFUSED, by)


def delete_review(*, review: Review, by: User) -> None:
    """Delete it: its author may, and whoever moderates. Raises NotAllowed."""
    if review.author_id != by.pk:
        require_moderate(by)
    elif not by.is_active:
        raise NotAllowed("Only active members change their reviews.")
    with transaction.atomic():
        _locked(review.product_id)
        row = Review.objects.select_related("author").filter(pk=review.pk).first()
        if row is None:
            return
        _count(row, -1)
        trail.record(
            verb="review.deleted",
            subject=review,
            actor=by,
            before={"stars": row.stars, "text": row.text[:200]},
        )
        row.delete()


def _decide(review: Review, state: ReviewState, by: User) -> Review:
    require_moderate(by)
    with transaction.atomic():
        _locked(review.product_id)
        row = Review.objects.select_related("author", "product").get(pk=review.pk)
        if row.state == state:
            raise WrongState(f"This review is {state.label.lower()} already.")
        _count(row, -1)
        row.state, row.decided_at, row.decided_by = state, timezone.now(), by
        row.save(update_fields=["state", "decided_at", "decided_by"])
        _count(row, 1)
        done = "approved" if state == ReviewState.APPROVED else "refused"
        trail.record(
            verb=f"review.{done}",
            subject=row,
            actor=by,
            after={"product": row.product.title, "stars": row.stars},
        )
    review.state, review.decided_at, review.decided_by = row.state, row.decided_at, row.decided_by
    return review


def _tell_of(review: Review, product: Product) -> None:
    webhooks.announce("review.posted", review)
    notify(
        "review_waiting",
        sentence=f'{review.author} has reviewed "{product}". It waits for you.',
        path=page_path("admin:products_review_changelist"),
        besides=review.author,
    )


def _locked(product_key: UUID) -> Product:
    return Product.objects.select_for_update(no_key=True).get(pk=product_key)


def _count(review: Review, sign: int) -> None:
    """Count a review that is shown in or out; the product's row is locked."""
    if review.is_shown:
        Product.objects.filter(pk=review.product_id).update(
            review_count=F("review_count") + sign,
            review_stars=F("review_stars") + sign * review.stars,
        )
