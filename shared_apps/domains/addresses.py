"""Full addresses of pages, for mails and for redirects from one host to another."""

from typing import Final

from django.conf import settings

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def public_url(path: str) -> str:
    """The address of a page of the public site. `path` begins with a slash."""
    return _url(settings.TERRACE_BASE_DOMAIN, path)


def tenant_url(hostname: str, path: str) -> str:
    """The address of a page at a tenant's hostname. `path` begins with a slash."""
    return _url(hostname, path)


def _url(hostname: str, path: str) -> str:
    scheme = settings.TERRACE_SCHEME
    # Under https the platform stands behind a proxy, which listens on the default port.
    port = settings.TERRACE_PORT if scheme == "http" else _DEFAULT_PORTS[scheme]
    suffix = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{hostname}{suffix}{path}"
