"""Files: each tenant's in a folder of its own, named by its uuid."""

from pathlib import Path

from django.core.files.storage import FileSystemStorage

from shared_apps.tenants import context


class TenantFileStorage(FileSystemStorage):
    """A folder below MEDIA_ROOT for the tenant that is set. Without one there is no place to write.

    FileSystemStorage joins names safely (`..` and absolute names raise SuspiciousFileOperation), and
    here it does so below the tenant's own folder.
    """

    @property
    def base_location(self) -> str:
        """The tenant's folder. Raises NoTenant."""
        return str(Path(super().base_location) / context.require_tenant().uuid.hex)

    @property
    def location(self) -> str:
        """The tenant's folder, absolute."""
        return str(Path(self.base_location).resolve())
