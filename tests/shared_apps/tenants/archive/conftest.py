"""A tenant with rows, files and sessions to be archived; it commits, and is gone afterwards."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from shared_apps.tenants import context, provisioning
from shared_apps.tenants.archive import importing
from shared_apps.tenants.archive.drills import RestoredTable, read_tables
from shared_apps.tenants.archive.writing import export_tenant
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import ArchiveImport, Backup, Tenant, UndoneSchema
from shared_apps.tenants.registry import OwnerDetails
from shared_apps.tenants.schemas import drop_schema, owner_transaction
from tenant_apps.articles import writing
from tenant_apps.products.models import Product, ProductVariant
from tenant_apps.users.models import User

ARTICLES = 40
FILES = {
    "pictures/kiln.png": b"\x89PNG" + bytes(range(256)) * 9000,
    "notes.txt": b"",
    "ü/a b.txt": b"x",
}


@pytest.fixture
def archives(committed: None) -> Iterator[None]:
    """What archives leave besides tenants is taken away."""
    yield
    names = {*ArchiveImport.objects.values_list("schema_name", flat=True)}
    names |= {*UndoneSchema.objects.values_list("schema_name", flat=True)}
    for name in names - {*Tenant.objects.values_list("schema_name", flat=True)}:
        with owner_transaction() as connection:
            drop_schema(connection, name)
    ArchiveImport.objects.all().delete()
    Backup.objects.all().delete()
    shutil.rmtree(settings.TERRACE_BACKUP_STORE, ignore_errors=True)


def make_tenant(subdomain: str) -> Tenant:
    """A tenant with something of everything in it."""
    tenant = provisioning.provision_tenant(
        name=subdomain.title(),
        subdomain=subdomain,
        owner=OwnerDetails(email=f"owner@{subdomain}.example", full_name="Olga Owner"),
        request_id=uuid7(),
    )
    with context.run_in(tenant):
        owner = User.objects.get()
        for number in range(ARTICLES):
            writing.create_article(
                title=f"{subdomain} {number}\t\\N \"'é\r\n", body="*x*\\.\n" * number, by=owner
            )
        product = Product.objects.create(title="Mug", handle="mug", extra={"a": [None, "ü"]})
        ProductVariant.objects.create(product=product, price_minor=1800)
        Session.objects.create(
            session_key=f"{subdomain}-session", session_data="x", expire_date=timezone.now()
        )
        for name, content in FILES.items():
            default_storage.save(name, ContentFile(content))
    return tenant


@pytest.fixture
def initech(archives: None) -> Iterator[Tenant]:
    """The tenant to be archived."""
    tenant = make_tenant("initech")
    yield tenant
    importing.remove_files(tenant.ref)


@pytest.fixture
def archive_file(initech: Tenant, tmp_path: Path) -> Path:
    """initech as a file."""
    path = tmp_path / "initech.terrace"
    export_tenant(tenant=initech, target=path)
    return path


Rows = Callable[[Tenant], list[RestoredTable]]


@pytest.fixture
def rows_of() -> Rows:
    """`rows_of(tenant)`: each table's rows counted and hashed, sessions aside."""

    def read(tenant: Tenant) -> list[RestoredTable]:
        schema_name = Tenant.objects.get(pk=tenant.pk).schema_name
        return [table for table in read_tables(schema_name) if table.name != "django_session"]

    return read


def schemas_and_roles() -> set[str]:
    """All schemas of this database, and the roles that are there of all that was ever restored.

    Roles are the whole server's: those of other workers' databases come and go meanwhile.
    """
    with owner_transaction() as connection:
        found = connection.execute(
            "SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname ~ '^t_'"
            " UNION SELECT 'role ' || rolname FROM pg_roles WHERE rolname IN ("
            "  SELECT schema_name FROM public.tenants_archiveimport"
            "  UNION SELECT schema_name FROM public.tenants_undoneschema"
            "  UNION SELECT schema_name FROM public.tenants_tenant)"
        )
        return {name for (name,) in found.fetchall()}


def erase(tenant: Tenant) -> None:
    """As if the tenant had never been here."""
    with owner_transaction() as connection:
        drop_schema(connection, tenant.schema_name)
    importing.remove_files(tenant.ref)
    Tenant.objects.filter(pk=tenant.pk).delete()


def files_of(tenant: Any) -> dict[str, bytes]:
    """The tenant's files by name."""
    from shared_apps.tenants import stored_files

    found = {}
    with context.run_in(tenant):
        for name in stored_files.list_files([]):
            with default_storage.open(name) as file:
                found[name] = file.read()
    return found
