"""Changing how the site looks: in a draft that its makers see, until one of them publishes it. Each verb
runs in the tenant's schema and leaves a line in the trail."""

import io
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from PIL import Image

from tenant_apps.activity import trail
from tenant_apps.images import Sent, make_picture
from tenant_apps.users.models import User
from tenant_apps.workspace.kept_row import forget_workspace
from tenant_apps.workspace.look import (
    Look,
    Mended,
    StoredPicture,
    changed_look,
    read_look,
    write_look,
)
from tenant_apps.workspace.models import LookDraft, LookRelease, Workspace
from tenant_apps.workspace.permissions import CHANGE_LOOK, require

CHANGEABLE: Final = frozenset(
    {
        *("theme", "brand", "accent", "heading_font", "body_font", "header", "shows_tagline"),
        *("footer", "menu", "sections"),
    }
)
LOGO_PIXELS: Final = (640, 192)
PICTURE_PIXELS: Final = (1600, 1200)
# What Apple's and Android's home screens ask for, and tabs make smaller.
ICON_PIXELS: Final = 180
_FOLDER: Final = "look"


class NothingToPublish(Exception):
    """There is no draft: somebody has published or discarded it."""


def change_look(
    *, changes: Mapping[str, Any], by: User, mends: bool = False
) -> tuple[LookDraft, list[Mended]]:
    """Change the draft of the look, which begins as what is published. Visitors see nothing of it.

    Args:
        changes: fields of `Look`, of CHANGEABLE; `menu` and `sections` whole.
        mends: take the nearest colour that can be read in place of one that can't.
    Returns:
        The draft, and the colours that were mended.
    Raises:
        NotAllowed: `by` may not change the look.
        ValidationError: by field, with sentences.
    """
    require(by, CHANGE_LOOK)
    unknown = set(changes) - CHANGEABLE
    if unknown:
        raise ValueError(f"change_look changes {sorted(CHANGEABLE)}, not {sorted(unknown)}.")
    with transaction.atomic():
        before = _draft_or_published()
        look, mended = changed_look(before, changes, mends=mends)
        return _keep_draft(before, look, by), mended


def set_logo(*, sent: Sent, by: User) -> LookDraft:
    """Put a logo into the draft, and make the icon of the browser's tab from it.

    Raises:
        NotAllowed: `by` may not change the look.
        ImageRefused: what was sent can't be taken; an SVG can't, since it can run scripts.
    """
    require(by, CHANGE_LOOK)
    width, height = LOGO_PIXELS
    picture = make_picture(sent, width=width, height=height)
    icon = _save(_square_png(picture.content), "png")
    stored = _stored(picture.content, alt="")
    return _put(by, [icon, stored.file, stored.small], logo=stored, icon=icon, header="both")


def remove_logo(*, by: User) -> LookDraft:
    """Take the logo out of the draft: the name is shown again. Raises NotAllowed."""
    require(by, CHANGE_LOOK)
    return _put(by, [], logo=None, icon="", header="name")


def set_picture(*, sent: Sent, alt: str, by: User) -> LookDraft:
    """Put a picture beside the words of welcome, in the draft.

    Args:
        alt: what it shows, for those who can't see it; empty where it only adorns.
    Raises:
        NotAllowed, ImageRefused: as set_logo.
    """
    require(by, CHANGE_LOOK)
    width, height = PICTURE_PIXELS
    picture = make_picture(sent, width=width, height=height)
    stored = _stored(picture.content, alt=alt.strip()[:200])
    return _put(by, [stored.file, stored.small], picture=stored)


def remove_picture(*, by: User) -> LookDraft:
    """Take the picture of the welcome out of the draft. Raises NotAllowed."""
    require(by, CHANGE_LOOK)
    return _put(by, [], picture=None)


def publish_look(*, by: User) -> LookRelease:
    """Show the draft to everybody, and keep who did it and when.

    Raises:
        NotAllowed: `by` may not change the look.
        NothingToPublish: there is no draft.
    """
    require(by, CHANGE_LOOK)
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update().get()
        draft = LookDraft.objects.first()
        if draft is None:
            raise NothingToPublish(
                "There is nothing to publish: the draft was published or discarded."
            )
        before, look = read_look(workspace.look), read_look(draft.look)
        now = timezone.now()
        release = LookRelease.objects.create(
            look=write_look(look), style=look.style_version, published_at=now, published_by=by
        )
        workspace.look, workspace.updated_at = write_look(look), now
        workspace.save(update_fields=["look", "updated_at"])
        draft.delete()
        trail.record(
            verb="look.published",
            subject=workspace,
            actor=by,
            **_told(before, look),
        )
        forget_workspace()
        _delete_unused(before.files, kept=look.files)
    return release


def discard_draft(*, by: User) -> None:
    """Throw the draft away; what is published stays. Safe to repeat. Raises NotAllowed."""
    require(by, CHANGE_LOOK)
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update().get()
        draft = LookDraft.objects.first()
        if draft is None:
            return
        dropped = read_look(draft.look)
        draft.delete()
        trail.record(verb="look.discarded", subject=workspace, actor=by)
        _delete_unused(dropped.files, kept=read_look(workspace.look).files)


def draft_or_published() -> Look:
    """What the owner's forms show: the draft, else what is published."""
    draft = LookDraft.objects.first()
    return read_look(draft.look if draft else Workspace.objects.get().look)


def _draft_or_published() -> Look:
    """The same, under the lock of the workspace's row: two people's changes come one after the other."""
    workspace = Workspace.objects.select_for_update().get()
    draft = LookDraft.objects.first()
    return read_look(draft.look if draft else workspace.look)


def _put(by: User, new_files: Iterable[str], **changes: Any) -> LookDraft:
    """Keep files in the draft. Where that fails, they are not kept at all."""
    try:
        with transaction.atomic():
            before = _draft_or_published()
            look = replace(before, **changes)
            draft = _keep_draft(before, look, by)
            published = read_look(Workspace.objects.get().look)
            _delete_unused(before.files, kept=look.files | published.files)
    except BaseException:
        for name in new_files:
            default_storage.delete(name)
        raise
    return draft


def _keep_draft(before: Look, look: Look, by: User) -> LookDraft:
    now = timezone.now()
    draft, is_new = LookDraft.objects.get_or_create(
        defaults={"look": write_look(look), "began_at": now, "changed_at": now, "changed_by": by}
    )
    if not is_new:
        draft.look, draft.changed_at, draft.changed_by = write_look(look), now, by
        draft.save(update_fields=["look", "changed_at", "changed_by"])
    if before != look:
        trail.record(
            verb="look.drafted", subject=Workspace.objects.get(), actor=by, **_told(before, look)
        )
    return draft


def _told(before: Look, after: Look) -> dict[str, Any]:
    """What differs, for the trail."""
    old, new = write_look(before), write_look(after)
    names = [name for name in new if old[name] != new[name]]
    return {
        "before": {name: old[name] for name in names},
        "after": {name: new[name] for name in names},
    }


def _stored(content: bytes, *, alt: str) -> StoredPicture:
    """The picture, and one half as wide for small screens."""
    with Image.open(io.BytesIO(content), formats=("WEBP",)) as picture:
        width, height = picture.size
        small = picture.resize((max(1, width // 2), max(1, height // 2)), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    small.save(written, "WEBP", quality=82, method=4)
    return StoredPicture(
        file=_save(content, "webp"),
        small=_save(written.getvalue(), "webp"),
        width=width,
        height=height,
        alt=alt,
    )


def _square_png(content: bytes) -> bytes:
    """The logo in the middle of a clear square. PNG, which every browser takes for an icon."""
    with Image.open(io.BytesIO(content), formats=("WEBP",)) as picture:
        logo = picture.convert("RGBA")
    logo.thumbnail((ICON_PIXELS, ICON_PIXELS), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (ICON_PIXELS, ICON_PIXELS), (0, 0, 0, 0))
    square.paste(logo, ((ICON_PIXELS - logo.width) // 2, (ICON_PIXELS - logo.height) // 2))
    written = io.BytesIO()
    square.save(written, "PNG", optimize=True)
    return written.getvalue()


def _save(content: bytes, kind: str) -> str:
    # A name of its own each time: browsers keep the one before.
    return default_storage.save(f"{_FOLDER}/{secrets.token_hex(12)}.{kind}", ContentFile(content))


def _delete_unused(files: set[str], *, kept: set[str]) -> None:
    """Once nobody can be shown them any more."""
    for name in files - kept:
        transaction.on_commit(lambda name=name: default_storage.delete(name))  # type: ignore[misc]
