import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles import pictures
from tenant_apps.articles.errors import PictureRefused
from tenant_apps.articles.models import Article, Picture, PictureState
from tenant_apps.users.errors import NotAllowed
from tests.tenant_apps.conftest import LoggedIn, People, make_article
from tests.tenant_apps.problems import sentences


def drawn(kind: str = "JPEG", size: tuple[int, int] = (1200, 600), **options: Any) -> bytes:
    image = Image.new("RGB", size, (200, 80, 30))
    made = io.BytesIO()
    image.save(made, kind, **options)
    return made.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is huge, in a few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def with_comment(comment: bytes) -> bytes:
    return drawn("JPEG", comment=comment)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
ZIP = b"PK\x03\x04 an archive PK\x05\x06" + b"\x00" * 18
BAD = {
    "nothing": b"",
    "text": b"Not a picture",
    "svg": SVG,
    "svg with a header": b'<?xml version="1.0"?>' + SVG,
    "html": b"<!doctype html><script>alert(1)</script>",
    "bmp": drawn("BMP", (10, 10)),
    "10,000 by 10,000": bomb(10_000, 10_000),
    "far too many pixels": bomb(100_000, 100_000),
    "cut off": drawn()[:200],
    "script behind jpeg": drawn() + b"<script>alert(1)</script>",
    "archive behind png": drawn("PNG") + ZIP,
    "archive behind gif": drawn("GIF", (10, 10)) + ZIP,
    "archive behind webp": drawn("WEBP", (10, 10)) + ZIP,
    "archive that ends as a jpeg": drawn() + ZIP + b"\xff\xd9",
    "page before jpeg": b"<html>" + drawn(),
    "script in a comment": with_comment(b"*/=alert(1)/* <ScRiPt src=//x.example>"),
    "php in a comment": with_comment(b"<?php system($_GET[1]);"),
    "pdf in a comment": with_comment(b"%PDF-1.7"),
    "gif that is a script": b"GIF89a=1;alert(1);//" + drawn("GIF", (10, 10))[6:],
    "5 MB and one byte": drawn("PNG", (8, 8)) + b"\x00" * 5_000_000,
}


@pytest.mark.parametrize("name", BAD)
def test_file_that_is_no_harmless_picture_is_refused(name: str) -> None:
    with pytest.raises(PictureRefused) as refused:
        pictures.read_picture(io.BytesIO(BAD[name]))
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("kind", pictures.FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (1201, 599)])
def test_pictures_of_each_kind_are_let_in(kind: str, size: tuple[int, int]) -> None:
    content = drawn(kind, size)
    assert pictures.read_picture(io.BytesIO(content)) == content


def test_noise_is_taken_for_nothing_else() -> None:
    """A picture with all kinds of bytes in it, as photographs have."""
    noise = random.Random(1).randbytes(900 * 900 * 3)  # noqa: S311 (the same in each run)
    made = io.BytesIO()
    Image.frombytes("RGB", (900, 900), noise).save(made, "PNG")
    assert pictures.read_picture(io.BytesIO(made.getvalue()))


@pytest.fixture
def folder(in_acme: TenantRef, settings: Any, tmp_path: Path) -> Iterator[Path]:
    settings.MEDIA_ROOT = tmp_path
    default_storage._wrapped._clear_cached_properties(setting="MEDIA_ROOT")  # type: ignore[attr-defined]
    yield tmp_path / in_acme.uuid.hex
    default_storage._wrapped._clear_cached_properties(setting="MEDIA_ROOT")  # type: ignore[attr-defined]


@pytest.fixture
def commits(
    tasks_at_once: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> DjangoCaptureOnCommitCallbacks:
    return django_capture_on_commit_callbacks


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def photograph() -> bytes:
    """2000 by 1000, lying on its side, with a place in it."""
    image = Image.new("RGB", (2000, 1000), (10, 120, 200))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it to the right
    exif[0x010E] = "taken at home"
    exif.get_ifd(0x8825)[1] = "N"
    made = io.BytesIO()
    image.save(made, "JPEG", exif=exif, icc_profile=b"profile", comment=b"a comment")
    return made.getvalue()


def test_copies_are_upright_and_have_nothing_but_the_picture(
    folder: Path, acme_people: People, commits: DjangoCaptureOnCommitCallbacks
) -> None:
    with commits(execute=True):
        picture = pictures.add_picture(
            file=io.BytesIO(photograph()), file_name="a.jpg", alt="A", by=acme_people["author"]
        )
        assert len(files(folder)) == 1, "the file as it came"
    picture.refresh_from_db()
    assert (picture.state, picture.width, picture.height) == (PictureState.READY, 1000, 2000)
    key = picture.pk.hex
    assert files(folder) == {f"pictures/{key}-{width}.webp" for width in (480, 960, 1000)}
    for width in picture.widths:
        path = folder / picture.file_of(width)
        with Image.open(path) as copy:
            assert (copy.format, copy.size) == ("WEBP", (width, width * 2))
            assert not copy.getexif()
            assert not {"exif", "icc_profile", "xmp", "comment"} & set(copy.info)
        content = path.read_bytes()
        assert b"taken at home" not in content
        assert b"profile" not in content


def test_small_picture_is_not_blown_up_and_stays_see_through(
    folder: Path, acme_people: People, commits: DjangoCaptureOnCommitCallbacks
) -> None:
    made = io.BytesIO()
    Image.new("RGBA", (100, 50), (1, 2, 3, 0)).save(made, "PNG")
    made.seek(0)
    with commits(execute=True):
        picture = pictures.add_picture(
            file=made, file_name="a.png", alt="", by=acme_people["author"]
        )
    picture.refresh_from_db()
    assert picture.widths == [100]
    with Image.open(folder / picture.file_of(100)) as copy:
        assert copy.getbands() == ("R", "G", "B", "A")


def test_file_that_cannot_be_decoded_fails_the_picture(
    folder: Path, acme_people: People, commits: DjangoCaptureOnCommitCallbacks
) -> None:
    """Its checksums are right, so only decoding shows it."""
    with commits(execute=True):
        picture = pictures.add_picture(
            file=io.BytesIO(bomb(100, 100)), file_name="a", alt="", by=acme_people["author"]
        )
    picture.refresh_from_db()
    assert picture.state == PictureState.FAILED
    assert picture.failure.endswith(".")
    assert files(folder) == set()


def test_making_copies_can_be_repeated(folder: Path, acme_people: People) -> None:
    picture = pictures.add_picture(
        file=io.BytesIO(drawn()), file_name="a", alt="", by=acme_people["author"]
    )
    pictures.make_copies(picture=picture)
    # Broken off before the commit: the row waits again, and the file is still there.
    Picture.objects.update(state=PictureState.WAITING)
    picture.refresh_from_db()
    pictures.make_copies(picture=picture)
    assert picture.is_ready
    pictures.make_copies(picture=picture)
    lost = Picture.objects.create(incoming="pictures/incoming/lost.bin")
    pictures.make_copies(picture=lost)
    assert lost.state == PictureState.FAILED


def test_member_puts_no_picture_in(in_acme: TenantRef, acme_people: People) -> None:
    with pytest.raises(NotAllowed):
        pictures.add_picture(
            file=io.BytesIO(drawn()), file_name="a", alt="", by=acme_people["member"]
        )


def upload(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("photo.jpg", content, content_type="image/jpeg")


@pytest.mark.parametrize(
    "name", ["svg", "10,000 by 10,000", "script behind jpeg", "5 MB and one byte"]
)
def test_refusal_stands_at_the_field_of_page_and_api(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, name: str
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
    client = as_role("author")
    page = client.post(f"/desk/{article.pk}/cover/", {"file": upload(BAD[name])})
    assert page.status_code == 400
    assert page.context["cover_form"].errors["file"]
    editor = client.post("/desk/pictures/", {"file": upload(BAD[name])})
    assert (editor.status_code, list(editor.json())) == (400, ["refused"])
    api = client.post("/api/v1/pictures/", {"file": upload(BAD[name])})
    assert (api.status_code, list(sentences(api))) == (400, ["file"])
    with context.run_in(acme):
        assert not Picture.objects.exists()


def multipart(client: Client, path: str, content: bytes) -> Any:
    return client.post(path, {"file": upload(content), "alt": "A pot"})


def test_cover_from_the_editor_to_the_readers(
    acme: TenantRef,
    folder: Path,
    acme_people: People,
    as_role: LoggedIn,
    commits: DjangoCaptureOnCommitCallbacks,
) -> None:
    article = make_article(acme_people["author"])
    client = as_role("author")
    with commits(execute=True):
        client.post(f"/desk/{article.pk}/cover/", {"file": upload(drawn()), "alt": "A pot"})
    cover = Article.objects.select_related("cover").get().cover
    assert cover is not None
    for path in (f"/articles/{article.slug}/", "/articles/", f"/desk/{article.pk}/"):
        page = as_role("author").get(path).content.decode()
        assert 'alt="A pot"' in page, path
    page = as_role("visitor").get(f"/articles/{article.slug}/").content.decode()
    assert f'<meta property="og:image" content="http://acme.localhost:8000{cover.url}">' in page
    told = as_role("visitor").get(f"/api/v1/articles/{article.pk}/").json()["cover"]
    assert (told["url"], told["alt"]) == (cover.url, "A pot")
    client.post(f"/desk/{article.pk}/cover/remove/")
    assert Article.objects.get().cover_id is None
    answer = multipart(client, f"/api/v1/articles/{article.pk}/cover/", drawn())
    assert answer.json()["state"] == "waiting"
    assert client.delete(f"/api/v1/articles/{article.pk}/cover/").status_code == 204
    # At the end: closing a file's answer closes the test's connection too.
    media = as_role("visitor").get(cover.url)
    assert (media.status_code, media.headers["Content-Type"]) == (200, "image/webp")
    media.close()


def test_picture_for_a_text(
    acme: TenantRef,
    folder: Path,
    as_role: LoggedIn,
    commits: DjangoCaptureOnCommitCallbacks,
) -> None:
    client = as_role("author")
    with commits(execute=True):
        key = client.post("/desk/pictures/", {"file": upload(drawn()), "alt": "[x](y)"}).json()[
            "id"
        ]
    told = client.get(f"/desk/pictures/{key}/").json()
    picture = Picture.objects.get()
    assert (told["state"], told["markdown"]) == ("ready", f"![(x)(y)]({picture.url})")
    assert client.get(f"/api/v1/pictures/{key}/").json()["url"] == picture.url
    assert as_role("member").get(f"/desk/pictures/{key}/").status_code == 403
    assert as_role("visitor").get(f"/api/v1/pictures/{key}/").status_code == 404


@pytest.mark.parametrize("role", ["visitor", "member", "author", "editor"])
def test_cover_asks_the_rules(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["editor"])
    client = as_role(role)
    may = role == "editor"
    page = client.post(f"/desk/{article.pk}/cover/", {"file": upload(b"x")})
    assert page.status_code == (400 if may else 302 if role == "visitor" else 404)
    api = multipart(client, f"/api/v1/articles/{article.pk}/cover/", b"x")
    no_entry = 401 if role == "visitor" else 403
    assert api.status_code == (400 if may else no_entry)
    added = client.post("/api/v1/pictures/", {"file": upload(b"x")})
    assert added.status_code == (400 if role in {"author", "editor"} else no_entry)
