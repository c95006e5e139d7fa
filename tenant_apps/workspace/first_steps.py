"""What a new workspace needs first: each step is done when it is so, and never by ticking it off.

Runs in the tenant's schema.
"""

from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from django.utils import timezone

from tenant_apps.articles.models import Article, Move, State
from tenant_apps.links import page_path
from tenant_apps.products.models import Product
from tenant_apps.products.models import State as ProductState
from tenant_apps.users.models import Invitation, User
from tenant_apps.workspace.models import OwnChoices
from tenant_apps.workspace.selectors import current_workspace


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: what it is good for, where it is done, whether it is."""

    title: str
    why: str
    url: str
    is_done: bool
    is_optional: bool = False


def first_steps(person: User) -> list[Step]:
    """The steps for whoever sets the workspace up; none for others, for those who have put them away, and
    once all are done but what not everybody has to do. One query for what was put away, seven or eight for
    the steps."""
    if not person.has_perm("workspace.change_settings"):
        return []
    if OwnChoices.objects.filter(person=person, steps_closed_at__isnull=False).exists():
        return []
    steps = [
        Step(
            "Say what this place is",
            "A line below the name tells visitors where they are.",
            page_path("admin:workspace_workspace_changelist"),
            bool(current_workspace().tagline),
        ),
        Step(
            "Publish your first article",
            "Write one, or bring all you have from WordPress or Ghost.",
            page_path("articles:write"),
            Article.objects.filter(state=State.PUBLISHED).exists(),
        ),
        Step(
            "Put something on sale",
            "One product by hand, or a whole catalogue from a file.",
            page_path("products:import"),
            Product.objects.filter(state=ProductState.PUBLISHED).exists(),
        ),
        Step(
            "Invite somebody",
            "Colleagues write, sell and help with their own log-in.",
            page_path("admin:users_invitation_add"),
            Invitation.objects.exists() or User.objects.exclude(pk=person.pk).exists(),
        ),
        Step(
            "Protect your log-in",
            "A passkey or a code from your phone, beside the password.",
            page_path("mfa_index"),
            Authenticator.objects.filter(user=person).exists(),
        ),
        Step(
            "Bring what you have elsewhere",
            "Articles of another system keep their dates, comments and addresses.",
            page_path("articles:move-in"),
            Move.objects.exists(),
            is_optional=True,
        ),
    ]
    return [] if all(step.is_done or step.is_optional for step in steps) else steps


def close_steps(*, person: User) -> None:
    """Put the first steps away, for this person. Safe to repeat."""
    OwnChoices.objects.update_or_create(person=person, defaults={"steps_closed_at": timezone.now()})
