import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.registry import OwnerDetails
from tenant_apps.users import roles
from tenant_apps.users.models import Role, User
from tenant_apps.users.seeding import seed_roles_and_owner
from tenant_apps.workspace.models import Workspace
from tenant_apps.workspace.seeding import seed_workspace


def statements(captured: CaptureQueriesContext) -> list[str]:
    """What writes, without the transaction's own statements."""
    return [q["sql"] for q in captured.captured_queries if q["sql"].startswith("INSERT")]


@pytest.fixture
def empty_acme(acme: TenantRef) -> TenantRef:
    """acme as the schema comes out of the pool."""
    with context.run_in(acme):
        User.objects.all().delete()
        Role.objects.all().delete()
        Workspace.objects.all()._raw_delete("default")
    return acme


def test_seeders_take_four_statements(empty_acme: TenantRef) -> None:
    owner = OwnerDetails("Olga@Acme.Example", "Olga", make_password("secret words here"))
    with context.run_in(empty_acme), CaptureQueriesContext(connection) as captured:
        seed_roles_and_owner(tenant=empty_acme, owner=owner)
        seed_workspace(tenant=empty_acme, owner=owner)
    assert len(statements(captured)) == 4
    assert len(captured) <= 5


def test_owner_gets_in_with_the_password_of_the_sign_up(empty_acme: TenantRef) -> None:
    owner = OwnerDetails("Olga@Acme.Example", "Olga", make_password("secret words here"))
    with context.run_in(empty_acme):
        seed_roles_and_owner(tenant=empty_acme, owner=owner)
        person = User.objects.get(email="olga@acme.example")
        assert person.check_password("secret words here")
        assert person.is_owner


@pytest.mark.parametrize("password_hash", ["", "!"])
def test_owner_without_a_password_cannot_log_in_by_one(
    empty_acme: TenantRef, password_hash: str
) -> None:
    with context.run_in(empty_acme):
        seed_roles_and_owner(
            tenant=empty_acme, owner=OwnerDetails("o@acme.example", "O", password_hash)
        )
        assert not User.objects.get().has_usable_password()


def test_tenant_without_an_owner_has_roles_alone(empty_acme: TenantRef) -> None:
    with context.run_in(empty_acme):
        seed_roles_and_owner(tenant=empty_acme, owner=None)
        assert not User.objects.exists()
        assert Role.objects.count() == 5


def test_builtin_roles_are_brought_up_to_the_release(in_acme: TenantRef) -> None:
    Role.objects.filter(slug="editor").update(permissions=["articles.of_an_old_release"])
    before = Role.objects.get(slug="editor").pk
    roles.write_builtin_roles()
    editor = Role.objects.get(slug="editor")
    assert editor.pk == before
    assert "articles.publish_article" in editor.permissions
    assert "articles.of_an_old_release" not in editor.permissions
