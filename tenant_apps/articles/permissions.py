"""Who may do what with an article: written once, asked by pages, API and admin alike."""

from typing import TypeAlias, cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q

from tenant_apps.articles.models import Article, ArticleQuerySet, State
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User

Person: TypeAlias = AbstractBaseUser | AnonymousUser


def readable_by(person: Person) -> ArticleQuerySet:
    """What lists, searches and feeds show this person, the newest first: published articles, also to
    their writers."""
    return Article.objects.published()


def visible_to(person: Person) -> ArticleQuerySet:
    """What this person may read: visitors what is published, writers also their own, editors
    all."""
    user = _user(person)
    if user is not None and user.has_perm("articles.change_article"):
        return Article.objects.all()
    rule = Q(state=State.PUBLISHED)
    if user is not None and user.has_perm("articles.change_own_article"):
        rule |= Q(author=user)
    return Article.objects.filter(rule)


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
    return article.is_published or can_change(person, article)


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


def can_arrange(person: Person) -> bool:
    user = _user(person)
    return user is not None and user.has_perm("articles.manage_categories")


def require_arrange(person: Person) -> None:
    if not can_arrange(person):
        raise NotAllowed("Your role does not let you arrange categories and tags.")


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
