"""Addresses for letters; the verb is in `tenant_apps.links`, where the apps below have it too."""

from tenant_apps.links import page_path, page_url

__all__ = ["page_path", "page_url"]
