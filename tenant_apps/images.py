"""Pictures that people send: judged by their content, and made anew before they are kept.

What is kept is never what was sent: the pixels alone are written again, as WebP, so that places,
cameras, and whatever was hidden beside the picture stay behind.
"""

import io
from dataclasses import dataclass
from typing import Any, Final, Protocol

from PIL import Image, ImageOps, UnidentifiedImageError

MAX_BYTES: Final = 5 * 1024 * 1024
# Unpacked, a picture takes four bytes a pixel: 40 million are 160 MB.
MAX_PIXELS: Final = 40_000_000
FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP")
_QUALITY: Final = 82


class ImageRefused(ValueError):
    """A picture can't be taken; the sentence says why and what can."""


class Sent(Protocol):
    """A file that somebody sent: its size in bytes, and what is in it."""

    @property
    def size(self) -> int | None: ...

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it is kept.

    Args:
        content: WebP, without any metadata.
        width, height: in pixels.
    """

    content: bytes
    width: int
    height: int


def make_picture(
    sent: Sent,
    *,
    width: int,
    height: int,
    cropped: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Picture:
    """The first frame of what was sent, turned upright, no larger than asked for, as WebP.

    Args:
        width, height: the most pixels there are to be; a smaller picture stays as small.
        cropped: exactly this size, from the middle.
        max_bytes: of what was sent.
    Raises:
        ImageRefused: too many bytes or pixels, no picture, or none of FORMATS. SVG is none: it can
            run scripts.
    Runs in: no schema; takes up to a second and 160 MB of memory.
    """
    if sent.size is not None and sent.size > max_bytes:
        raise ImageRefused(_too_large(max_bytes))
    content = sent.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ImageRefused(_too_large(max_bytes))
    picture = _opened(content)
    if cropped:
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    else:
        picture.thumbnail((width, height), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, "WEBP", quality=_QUALITY, method=4)
    return Picture(written.getvalue(), picture.width, picture.height)


def _opened(content: bytes) -> Image.Image:
    """The pixels, and nothing else of the file."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as sent:
            if sent.width * sent.height > MAX_PIXELS:
                raise ImageRefused(_too_many(sent.width, sent.height))
            sent.load()
            upright: Any = ImageOps.exif_transpose(sent)
            has_alpha = "A" in upright.getbands() or "transparency" in upright.info
            return Image.Image.convert(upright, "RGBA" if has_alpha else "RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageRefused(_too_many()) from error
    except UnidentifiedImageError as error:
        raise ImageRefused(
            "This file is not a picture that can be taken. Send a JPEG, PNG, GIF or WebP."
        ) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        if isinstance(error, ImageRefused):
            raise
        # What Pillow's decoders raise for files that end early or contradict themselves.
        raise ImageRefused(
            "This picture is damaged. Open it in a picture program, save it and send it again."
        ) from error


def _too_large(max_bytes: int) -> str:
    return f"A picture has {max_bytes // 1024 // 1024} MB at most. Make it smaller."


def _too_many(width: int = 0, height: int = 0) -> str:
    measured = f" ({width} by {height})" if width else ""
    return (
        f"This picture has too many pixels{measured}: {MAX_PIXELS // 1_000_000} million are the most. "
        "Make it smaller."
    )
