"""Who may do what with products: written once, asked by pages, API and admin alike."""

from typing import TypeAlias, cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from tenant_apps.products.models import Product, ProductQuerySet, State
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User

Person: TypeAlias = AbstractBaseUser | AnonymousUser


def visible_to(person: Person) -> ProductQuerySet:
    """What this person may see: visitors what is published, editors all."""
    if can_change(person):
        return Product.objects.all()
    return Product.objects.filter(state=State.PUBLISHED)


def can_change(person: Person) -> bool:
    return _has(person, "products.change_product")


def can_publish(person: Person) -> bool:
    return _has(person, "products.publish_product")


def can_delete(person: Person) -> bool:
    return _has(person, "products.delete_product")


def can_import(person: Person) -> bool:
    return _has(person, "products.import_products")


def can_review(person: Person) -> bool:
    """Every active member may; whoever reads the site without logging in may not."""
    return person.is_authenticated and cast("User", person).is_active


def can_moderate(person: Person) -> bool:
    return _has(person, "products.moderate_reviews")


def require_review(person: Person) -> None:
    if not can_review(person):
        raise NotAllowed("Log in as a member to review products.")


def require_moderate(person: Person) -> None:
    if not can_moderate(person):
        raise NotAllowed("Your role does not let you moderate reviews.")


def require_change(person: Person) -> None:
    if not can_change(person):
        raise NotAllowed("Your role does not let you change products.")


def require_publish(person: Person) -> None:
    if not can_publish(person):
        raise NotAllowed("Your role does not let you publish products.")


def require_delete(person: Person) -> None:
    if not can_delete(person):
        raise NotAllowed("Your role does not let you delete products.")


def require_import(person: Person) -> None:
    if not can_import(person):
        raise NotAllowed("Your role does not let you import products.")


def _has(person: Person, permission: str) -> bool:
    return person.is_authenticated and cast("User", person).has_perm(permission)
