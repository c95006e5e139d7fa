"""Pictures of articles: looked at before they are let in, and made anew before they are shown. Each verb
runs in the tenant's schema and folder."""

import io
import re
import secrets
from typing import Any, BinaryIO, Final

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from PIL import Image, ImageOps

from shared_apps.tenants.stored_files import open_file, write_file
from tenant_apps.activity import trail
from tenant_apps.articles.errors import PictureRefused
from tenant_apps.articles.models import Article, Picture, PictureState
from tenant_apps.articles.models.pictures import WIDTHS
from tenant_apps.articles.permissions import require_change, require_write
from tenant_apps.users.models import User

FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP")
# A picture is decoded whole: 40 million pixels take 160 MB.
MAX_PIXELS: Final = 40_000_000
_QUALITY: Final = 82
_STARTS: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"RIFF")
_WEBP: Final = b"WEBP"
_RIFF_HEADER: Final = 8
# What other programs would run or open, hidden in a file that is a picture too.
_OTHER_LIVES = re.compile(
    rb"<script|<svg[\s>]|<html|<\?php|<!doctype|%PDF-|javascript:|PK\x03\x04(?s:.*)PK\x05\x06",
    re.IGNORECASE,
)


def add_picture(*, file: BinaryIO, file_name: str, alt: str, by: User) -> Picture:
    """Let a picture in, if it is one, and have its copies made once this is committed.

    Args:
        file: as it came, from its beginning.
        alt: what it shows, for those who can't see it.
    Raises:
        NotAllowed: `by` may not write.
        PictureRefused: it is no picture, too large, or something else besides.
    """
    from tenant_apps.articles.tasks import make_picture_copies

    require_write(by)
    content = read_picture(file)
    # Nobody guesses the name, and no browser shows a file of this kind: it may have a place and a time
    # in it that its owner has not thought of.
    incoming = f"pictures/incoming/{secrets.token_hex(24)}.bin"
    with transaction.atomic():
        picture = Picture.objects.create(
            incoming=incoming, file_name=file_name[-200:], alt=alt[:200], added_by=by
        )
        trail.record(verb="picture.added", subject=picture, actor=by)
        write_file(incoming, io.BytesIO(content))
        make_picture_copies.delay_on_commit(str(picture.pk))
    return picture


def read_picture(file: BinaryIO) -> bytes:
    """The bytes of a picture that may be let in. It is judged by what is in it, not by its name.

    Raises:
        PictureRefused: with a sentence for whoever sent it.
    """
    most: int = settings.TERRACE_MAX_PICTURE_BYTES
    content = file.read(most + 1)
    if len(content) > most:
        raise PictureRefused(
            f"A picture has {most / 1_000_000:.0f} MB at most. Make it smaller and try again."
        )
    image = _opened(content)
    if image.width * image.height > MAX_PIXELS:
        raise PictureRefused(
            f"{image.width} by {image.height} pixels are too many: {MAX_PIXELS // 1_000_000} million "
            "fit. Make it smaller and try again."
        )
    try:
        image.verify()
    except Exception as error:
        # Pillow's verify raises whatever a broken file causes: struct.error, zlib.error, KeyError …
        raise PictureRefused("This file is broken. Save the picture anew and try again.") from error
    _refuse_other_lives(content)
    return content


def set_cover(*, article: Article, picture: Picture | None, by: User) -> Article:
    """Give the article a cover, or none. Raises NotAllowed."""
    require_change(by, article)
    with transaction.atomic():
        before = article.cover_id
        article.cover = picture
        article.save(update_fields=["cover"])
        trail.record(
            verb="article.cover_changed",
            subject=article,
            actor=by,
            before={"cover": before},
            after={"cover": picture.pk if picture else None},
        )
    return article


def make_copies(*, picture: Picture) -> None:
    """Make the copies that readers get, and delete the file as it came. Safe to repeat.

    A file that can't be decoded after all fails the picture, with a sentence.
    """
    if picture.state != PictureState.WAITING:
        return
    file = open_file(picture.incoming)
    if file is None:
        _fail(picture, "The file went away before it was read. Send it again.")
        return
    with file:
        content = file.read()
    try:
        image = _clean(_opened(content))
    except (PictureRefused, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        _fail(picture, "This file is broken. Save the picture anew and send it again.")
        return
    picture.width = min(image.width, max(WIDTHS))
    picture.height = round(image.height * picture.width / image.width) or 1
    for width in picture.widths:
        copy = image.resize((width, round(image.height * width / image.width) or 1))
        made = io.BytesIO()
        copy.save(made, "WEBP", quality=_QUALITY)
        made.seek(0)
        write_file(picture.file_of(width), made)
    picture.state = PictureState.READY
    picture.save(update_fields=["state", "width", "height"])
    _forget_incoming(picture)


def _opened(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureRefused(
            f"This picture has too many pixels: {MAX_PIXELS // 1_000_000} million fit. Make it "
            "smaller and try again."
        ) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureRefused(
            "This is no picture that can be shown: JPEG, PNG, WebP and GIF can."
        ) from error


def _refuse_other_lives(content: bytes) -> None:
    """A file may be a picture and a page or an archive at once. The copies are pictures alone; that
    somebody tries is worth a refusal."""
    if not (content.startswith(_STARTS) and _ends_as_it_should(content)):
        raise PictureRefused(
            "There is something before or behind the picture in this file. Save the picture anew and "
            "try again."
        )
    if _OTHER_LIVES.search(content):
        raise PictureRefused(
            "This file is a picture and something else besides. Save the picture anew, without "
            "comments, and try again."
        )


def _ends_as_it_should(content: bytes) -> bool:
    if content.startswith(b"\xff\xd8"):  # ISO/IEC 10918-1, B.1.1.3: EOI
        return content.rstrip(b"\x00").endswith(b"\xff\xd9")
    if content.startswith(b"\x89PNG"):  # PNG, section 11.2.4: IEND, its length and checksum
        return content.endswith(b"\x00\x00\x00\x00IEND\xaeB`\x82")
    if content.startswith(b"GIF"):  # GIF89a, section 27: the trailer
        return content.endswith(b";")
    size = int.from_bytes(content[4:_RIFF_HEADER], "little")  # RFC 9649, section 2.4
    return content[8:12] == _WEBP and len(content) == size + _RIFF_HEADER


def _clean(image: Image.Image) -> Image.Image:
    """The picture, upright, and nothing else of the file: no place, time, camera, thumbnail, profile."""
    upright: Any = ImageOps.exif_transpose(image)
    has_alpha = "A" in upright.getbands() or "transparency" in upright.info
    plain = upright.convert("RGBA" if has_alpha else "RGB")
    clean = Image.new(plain.mode, plain.size)
    clean.paste(plain)
    return clean


def _fail(picture: Picture, sentence: str) -> None:
    picture.state, picture.failure = PictureState.FAILED, sentence
    picture.save(update_fields=["state", "failure"])
    _forget_incoming(picture)


def _forget_incoming(picture: Picture) -> None:
    """Once the row says that it isn't needed: a task that is broken off before starts anew."""
    name = picture.incoming
    transaction.on_commit(lambda: default_storage.delete(name))
