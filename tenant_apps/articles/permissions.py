"""Who may do what with an article: written once, asked by pages, API and admin alike."""

from typing import TypeAlias, cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet

from tenant_apps.articles.models import Article, ArticleQuerySet, Comment, State, Tag, Visibility
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User

Person: TypeAlias = AbstractBaseUser | AnonymousUser


def readable_rule(person: Person, prefix: str = "") -> Q:
    """What lists, searches, feeds and counts show this person: published articles, and those for
    members alone to whom they are for. The writers' own drafts are not among it.

    Args:
        prefix: the way to the article, as "articles__".
    """
    rule: dict[str, str] = {f"{prefix}state": State.PUBLISHED}
    if not is_member(person):
        rule[f"{prefix}visibility"] = Visibility.PUBLIC
    return Q(**rule)


def readable_by(person: Person) -> ArticleQuerySet:
    """The articles of `readable_rule`, the newest first."""
    return Article.objects.filter(readable_rule(person)).order_by("-published_at", "-id")


def audience_of(person: Person) -> str:
    """All of one audience are shown the same by `readable_rule`: what is kept for one is for each."""
    return "members" if is_member(person) else "visitors"


def is_member(person: Person) -> bool:
    """Whether this person belongs to the workspace, in any role."""
    user = _user(person)
    return user is not None and user.is_active


def visible_to(person: Person) -> ArticleQuerySet:
    """What this person may read: visitors what is published for everybody, members what is published,
    writers also their own, editors all."""
    user = _user(person)
    if user is not None and user.has_perm("articles.change_article"):
        return Article.objects.all()
    rule = readable_rule(person)
    if user is not None and user.has_perm("articles.change_own_article"):
        rule |= Q(author=user)
    return Article.objects.filter(rule)


def tags_visible_to(person: Person) -> QuerySet[Tag]:
    """The tags that this person may see: those of articles that they may read, all for those who write
    or arrange: the others are words of drafts."""
    if can_write(person) or can_arrange(person):
        return Tag.objects.all()
    links = Article.tags.through.objects.filter(
        readable_rule(person, "article__"), tag=OuterRef("pk")
    )
    return Tag.objects.filter(Exists(links))


def changeable_by(person: Person) -> ArticleQuerySet:
    """What this person may change: writers their own, editors all."""
    user = _user(person)
    if user is None:
        return Article.objects.none()
    if user.has_perm("articles.change_article"):
        return Article.objects.all()
    if user.has_perm("articles.change_own_article"):
        return Article.objects.filter(author=user)
    return Article.objects.none()


def can_write(person: Person) -> bool:
    user = _user(person)
    return user is not None and user.has_perm("articles.add_article")


def can_read(person: Person, article: Article) -> bool:
    if article.is_published and (is_member(person) or not article.is_for_members):
        return True
    return can_change(person, article)


def can_change(person: Person, article: Article) -> bool:
    return _may(person, article, "articles.change_article", own="articles.change_own_article")


def can_publish(person: Person, article: Article) -> bool:
    return _may(person, article, "articles.publish_article", own="articles.publish_own_article")


def can_publish_own(person: Person) -> bool:
    """Whether this person may publish what they write, an article that is yet to be kept too."""
    user = _user(person)
    if user is None:
        return False
    return user.has_perm("articles.publish_article") or user.has_perm(
        "articles.publish_own_article"
    )


def can_delete(person: Person, article: Article) -> bool:
    """Editors delete anything; writers their own, as long as nobody has read it."""
    user = _user(person)
    if user is None:
        return False
    own_and_unread = article.published_at is None and can_change(person, article)
    return user.has_perm("articles.delete_article") or own_and_unread


def can_comment(person: Person, article: Article) -> bool:
    """Whoever may read a published article may say something to it."""
    return article.is_published and can_read(person, article)


def can_moderate(person: Person) -> bool:
    user = _user(person)
    return user is not None and user.has_perm("articles.moderate_comments")


def can_remove_comment(person: Person, comment: Comment) -> bool:
    """Moderators remove anything, members their own words."""
    user = _user(person)
    if user is None or not user.is_active:
        return False
    return can_moderate(user) or comment.author_id == user.pk


def can_manage_subscribers(person: Person) -> bool:
    user = _user(person)
    return user is not None and user.has_perm("articles.manage_subscribers")


def can_arrange(person: Person) -> bool:
    user = _user(person)
    return user is not None and user.has_perm("articles.manage_categories")


def can_move_in(person: Person) -> bool:
    """Whoever may write, publish and arrange in everybody's name: a move does all of it."""
    user = _user(person)
    return user is not None and all(
        user.has_perm(f"articles.{name}")
        for name in ("add_article", "change_article", "publish_article", "manage_categories")
    )


def require_move_in(person: Person) -> None:
    if not can_move_in(person):
        raise NotAllowed("Your role does not let you move articles in. Ask an editor.")


def require_arrange(person: Person) -> None:
    if not can_arrange(person):
        raise NotAllowed("Your role does not let you arrange categories and tags.")


def require_comment(person: Person, article: Article) -> None:
    if not can_comment(person, article):
        raise NotAllowed("You may not comment on this article.")


def require_moderate(person: Person) -> None:
    if not can_moderate(person):
        raise NotAllowed("Your role does not let you moderate comments.")


def require_remove_comment(person: Person, comment: Comment) -> None:
    if not can_remove_comment(person, comment):
        raise NotAllowed("Your role does not let you remove this comment.")


def require_manage_subscribers(person: Person) -> None:
    if not can_manage_subscribers(person):
        raise NotAllowed("Your role does not let you see or remove subscribers.")


def require_write(person: Person) -> None:
    if not can_write(person):
        raise NotAllowed("Your role does not let you write articles.")


def require_change(person: Person, article: Article) -> None:
    if not can_change(person, article):
        raise NotAllowed("Your role does not let you change this article.")


def require_publish(person: Person, article: Article) -> None:
    if not can_publish(person, article):
        raise NotAllowed("Your role does not let you publish this article. Ask an editor.")


def require_delete(person: Person, article: Article) -> None:
    if not can_delete(person, article):
        raise NotAllowed("Your role does not let you delete this article.")


def _may(person: Person, article: Article, everybodys: str, *, own: str) -> bool:
    user = _user(person)
    if user is None:
        return False
    return user.has_perm(everybodys) or (article.author_id == user.pk and user.has_perm(own))


def _user(person: Person) -> User | None:
    return cast("User", person) if person.is_authenticated else None
