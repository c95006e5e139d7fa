"""Each tenant's files in a folder of its own."""

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import NoTenant


@pytest.fixture(autouse=True)
def media_root(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def test_file_goes_below_the_tenants_uuid(acme: TenantRef, media_root: Path) -> None:
    with context.run_in(acme):
        name = default_storage.save("a/b.txt", ContentFile(b"x"))
        assert (media_root / acme.uuid.hex / "a" / "b.txt").read_bytes() == b"x"
        assert (name, default_storage.url(name)) == ("a/b.txt", "/media/a/b.txt")
        assert default_storage.listdir("a") == ([], ["b.txt"])


def test_one_storage_object_follows_the_context(acme: TenantRef, globex: TenantRef) -> None:
    with context.run_in(acme):
        default_storage.save("same.txt", ContentFile(b"acme"))
    with context.run_in(globex):
        assert not default_storage.exists("same.txt")
        default_storage.save("same.txt", ContentFile(b"globex"))
    with context.run_in(acme), default_storage.open("same.txt") as file:
        assert file.read() == b"acme"


def test_without_a_tenant_there_is_no_place(db: None) -> None:
    for use in (
        lambda: default_storage.save("a.txt", ContentFile(b"x")),
        lambda: default_storage.exists("a.txt"),
        lambda: default_storage.path(""),
    ):
        with pytest.raises(NoTenant):
            use()


@pytest.mark.parametrize("name", ["../a.txt", "/etc/passwd", "a/../../b.txt"])
def test_name_that_leads_out_of_the_folder_is_refused(name: str, acme: TenantRef) -> None:
    with context.run_in(acme):
        with pytest.raises(SuspiciousFileOperation):
            default_storage.path(name)
        with pytest.raises(SuspiciousFileOperation):
            default_storage.save(name, ContentFile(b"x"))
