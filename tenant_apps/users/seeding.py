from allauth.account.models import EmailAddress

from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.registry import OwnerDetails
from tenant_apps.users.models import User
from tenant_apps.users.permissions import OWNER
from tenant_apps.users.roles import write_builtin_roles


def seed_roles_and_owner(*, tenant: TenantRef, owner: OwnerDetails | None) -> None:
    """Give a new tenant its roles and its first owner: three statements in the claim's transaction.

    The owner's address was confirmed on the public site, so it starts confirmed here. Without a
    password (`owner.password_hash == ""`) the owner gets in by hand-off and sets one later.
    Runs in: the tenant's schema.
    """
    roles = write_builtin_roles()
    if owner is None:
        return
    user = User(email=owner.email, full_name=owner.full_name, role=roles[OWNER])
    if owner.password_hash:
        user.password = owner.password_hash
    else:
        user.set_unusable_password()
    user.save(force_insert=True)
    EmailAddress.objects.bulk_create(
        [EmailAddress(user=user, email=user.email, verified=True, primary=True)]
    )
