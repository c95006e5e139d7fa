"""A tenant's uploaded files at /media/<name>, from that tenant's own folder alone.

What a browser would run as a page (HTML, SVG, XML and whatever isn't on the list) is offered as a
download, never shown: it would have the tenant's origin and its visitors' session.
"""

import mimetypes
from pathlib import Path

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import storages
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils.http import http_date
from django.views.decorators.http import require_safe
from django.views.static import was_modified_since

from shared_apps.tenants import context

SHOWN_IN_PAGE = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/avif",
        "application/pdf",
        "audio/mpeg",
        "audio/ogg",
        "video/mp4",
        "video/webm",
        "text/plain",
    }
)
_NOT_FOUND = "There is no such file."


@transaction.non_atomic_requests
@require_safe
def serve_media(request: HttpRequest, name: str) -> HttpResponseBase:
    """One file of the tenant whose host was asked.

    Args:
        name: the path below the tenant's folder, as the storage gave it.
    Raises:
        Http404: no such file here, on the public host too; a folder; a name or a symbolic link that
            leads out of the tenant's folder. All alike, so that nothing is told.
    """
    if context.current_tenant() is None:
        raise Http404(_NOT_FOUND)
    path = _own_file(name)
    changed_at = path.stat().st_mtime
    if not was_modified_since(request.headers.get("If-Modified-Since"), changed_at):
        return HttpResponseNotModified()
    content_type, encoding = mimetypes.guess_type(path.name)
    if content_type is None or encoding is not None:
        content_type = "application/octet-stream"
    response = FileResponse(
        path.open("rb"),
        as_attachment=content_type not in SHOWN_IN_PAGE,
        filename=path.name,
        content_type="text/plain; charset=utf-8" if content_type == "text/plain" else content_type,
    )
    response.headers["Last-Modified"] = http_date(changed_at)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _own_file(name: str) -> Path:
    """The real path of a file in the set tenant's folder. Raises Http404."""
    storage = storages["default"]
    folder = Path(storage.path("")).resolve()
    try:
        path = Path(storage.path(name)).resolve(strict=True)
    except (SuspiciousFileOperation, OSError, ValueError) as error:
        raise Http404(_NOT_FOUND) from error
    if not path.is_relative_to(folder) or not path.is_file():
        raise Http404(_NOT_FOUND)
    return path
