"""Addresses for letters; the verbs are in `tenant_apps.links`, where the apps below have them too."""

from tenant_apps.links import page_path, page_url

__all__ = ["page_path", "page_url"]
