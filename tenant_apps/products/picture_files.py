"""The files of pictures that were sent to us, in the tenant's folder. Pictures that lie elsewhere have
none."""

import secrets
from collections.abc import Iterable
from functools import partial
from typing import Final

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from tenant_apps.images import Sent, make_picture

PIXELS: Final = 1600
_FOLDER: Final = "products/"


def keep_file(sent: Sent) -> str:
    """Keep a picture, made anew as WebP, no larger than 1600 pixels.

    Returns:
        Its address on this host. A name of its own each time, so that browsers may keep it.
    Raises:
        ImageRefused: what was sent can't be taken.
    Runs in: the tenant's schema, for its folder.
    """
    picture = make_picture(sent, width=PIXELS, height=PIXELS)
    name = default_storage.save(
        f"{_FOLDER}{secrets.token_hex(12)}.webp", ContentFile(picture.content)
    )
    return f"{settings.MEDIA_URL}{name}"


def delete_file(address: str) -> None:
    """Delete the file of a picture that was not kept after all. Safe to repeat."""
    default_storage.delete(address.removeprefix(settings.MEDIA_URL))


def forget_files(addresses: Iterable[str]) -> None:
    """Delete the files of pictures that are no more, once this transaction is committed. Addresses of
    elsewhere are passed over. Safe to repeat."""
    beginning = f"{settings.MEDIA_URL}{_FOLDER}"
    names = [one.removeprefix(settings.MEDIA_URL) for one in addresses if one.startswith(beginning)]
    # A name that leads out of the folder is none of ours.
    ours = [name for name in names if ".." not in name and name.count("/") == 1]
    for name in ours:
        transaction.on_commit(partial(default_storage.delete, name))
