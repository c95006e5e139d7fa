"""What people say of themselves, their picture, and the letter that greets them."""

import io
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.images import ImageRefused, make_picture
from tenant_apps.users import invitations, profiles, welcoming
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import Role, User
from tests.tenant_apps.conftest import LoggedIn, People, make_article

JSON: dict[str, Any] = {"content_type": "application/json"}
FACTS = {
    "full_name": "Edith Editor",
    "bio": "Throws pots.",
    "website": "https://example.com/edith",
    "location": "Oslo",
    "phone": "+49 30 123456",
    "birth_date": "1990-05-17",
    "time_zone": "Asia/Tokyo",
    "language": "en",
}


def picture(kind: str = "PNG", size: tuple[int, int] = (800, 600), **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, kind, **options)
    return file.getvalue()


def test_page_keeps_all_of_it(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    client = as_role("editor")
    answer = client.post("/account/", FACTS, follow=True)
    assert "Saved." in answer.content.decode()
    with context.run_in(acme):
        person = User.objects.get(email="editor@acme.example")
        assert {name: str(getattr(person, name)) for name in FACTS} == FACTS
    page = client.get("/account/").content.decode()
    assert 'value="1990-05-17"' in page


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("website", "javascript:alert(1)", ""),
        ("website", "ftp://example.com", "https://example.com"),
        ("phone", "call me", "5 to 15 digits"),
        ("phone", "+" + "1" * 16, "5 to 15 digits"),
        ("birth_date", (timezone.now().date() + timedelta(days=1)).isoformat(), "yet to come"),
        ("birth_date", "1800-01-01", "Nobody is that old"),
        ("birth_date", "1990-02-30", ""),
        ("time_zone", "Mars/Olympus", ""),
        ("language", "xx", ""),
        ("bio", "x" * 1001, ""),
        ("full_name", "", ""),
    ],
)
def test_value_that_cannot_be_is_refused_in_page_and_api(
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    field: str,
    value: str,
    sentence: str,
) -> None:
    client = as_role("editor")
    page = client.post("/account/", {**FACTS, field: value})
    assert page.status_code == 200
    assert sentence in page.content.decode()
    answer = client.patch("/api/v1/me/", {field: value}, headers={"If-Match": "*"}, **JSON)
    assert answer.status_code == 400, answer.json()
    assert answer.json()["errors"][0]["pointer"] == f"#/{field}"
    with context.run_in(acme):
        assert User.objects.get(email="editor@acme.example").full_name == "Editor of Acme"


def test_trail_tells_that_private_facts_changed_and_not_what_they_are(
    in_acme: TenantRef, acme_people: People
) -> None:
    editor = acme_people["editor"]
    profiles.change_profile(
        person=editor,
        changes={"phone": "+49 30 123456", "birth_date": date(1990, 5, 17), "location": "Oslo"},
        by=editor,
    )
    entry = Entry.objects.get(verb="person.profile_changed")
    assert entry.after == {"phone": "…", "birth_date": "…", "location": "Oslo"}


def test_others_facts_by_whoever_may_not(in_acme: TenantRef, acme_people: People) -> None:
    with pytest.raises(NotAllowed):
        profiles.change_profile(
            person=acme_people["editor"], changes={"bio": "x"}, by=acme_people["author"]
        )
    with pytest.raises(ValidationError):
        profiles.change_profile(
            person=acme_people["editor"], changes={"phone": "x"}, by=acme_people["editor"]
        )


def test_times_are_shown_in_ones_own_zone(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["editor"])
    client = as_role("editor")
    at = article.published_at
    assert at is not None

    def shown() -> str:
        return client.get("/account/devices/").content.decode()

    assert f"{timezone.now():%H}:" in shown()
    with context.run_in(acme):
        User.objects.filter(email="editor@acme.example").update(time_zone="Asia/Kathmandu")
    kathmandu = timezone.now() + timedelta(hours=5, minutes=45)
    assert f"{kathmandu:%-d %B %Y, %H:}" in shown()
    assert timezone.get_current_timezone_name() == "UTC", "nobody else's clock is changed"
    told = client.get(f"/api/v1/articles/{article.pk}/").json()["published_at"]
    assert told.endswith("Z"), "programs get UTC"


# --- Pictures --------------------------------------------------------------------------------------


def test_picture_is_made_anew(acme: TenantRef, acme_people: People) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Secret camera"
    exif[0x8825] = {1: "N", 2: (59.0, 54.0, 0.0)}
    sent = (
        picture("JPEG", (1200, 900), exif=exif) + b"<?php system('id'); ?><script>alert(1)</script>"
    )
    with context.run_in(acme):
        made = make_picture(ContentFile(sent), width=512, height=512, cropped=True)
    assert b"Secret camera" in sent
    for word in (b"Secret camera", b"php", b"script", b"EXIF"):
        assert word not in made.content
    opened = Image.open(io.BytesIO(made.content))
    assert (opened.format, opened.size, dict(opened.getexif())) == ("WEBP", (512, 512), {})


def test_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    made = make_picture(
        ContentFile(picture("JPEG", (400, 200), exif=exif)), width=1000, height=1000
    )
    assert (made.width, made.height) == (200, 400)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_kinds_that_are_taken(kind: str) -> None:
    made = make_picture(ContentFile(picture(kind)), width=400, height=400)
    assert (made.width, made.height) == (400, 300)


BAD_PICTURES: dict[str, tuple[bytes, str]] = {
    "svg": (
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "JPEG, PNG",
    ),
    "html with a picture's first bytes": (b"GIF89a<script>alert(1)</script>", "JPEG, PNG"),
    "no picture": (b"%PDF-1.7", "JPEG, PNG"),
    "nothing": (b"", "JPEG, PNG"),
    "another kind of picture": (picture("BMP"), "JPEG, PNG"),
    "cut off": (picture("PNG", (300, 300))[:200], "damaged"),
    "more than 5 MB": (b"\x89PNG" + b"0" * (5 * 1024 * 1024), "5 MB at most"),
    "10,000 by 10,000": (picture("PNG", (10_000, 10_000)), "too many pixels"),
    "7,000 by 7,000": (picture("PNG", (7_000, 7_000)), "too many pixels"),
}


@pytest.mark.parametrize("which", BAD_PICTURES)
def test_picture_that_is_none(which: str) -> None:
    sent, sentence = BAD_PICTURES[which]
    with pytest.raises(ImageRefused, match=sentence):
        make_picture(ContentFile(sent), width=512, height=512)


def upload(client: Client, content: bytes, name: str = "me.png") -> Any:
    file = io.BytesIO(content)
    file.name = name
    return client.post("/account/picture/", {"picture": file}, follow=True)


def test_page_shows_and_removes_the_picture(
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    client = as_role("editor")
    assert "This is your picture now." in upload(client, picture()).content.decode()
    with context.run_in(acme):
        first = User.objects.get(email="editor@acme.example").avatar
        assert default_storage.exists(first)
    served = client.get(f"/media/{first}")
    assert (served.status_code, served["Content-Type"]) == (200, "image/webp")
    assert b"".join(served.streaming_content)[8:12] == b"WEBP"
    with django_capture_on_commit_callbacks(execute=True):
        upload(client, picture("JPEG"))
    with context.run_in(acme):
        second = User.objects.get(email="editor@acme.example").avatar
        assert second != first
        assert not default_storage.exists(first), "the one before is gone"
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/account/picture/", {"remove": ""})
    with context.run_in(acme):
        assert User.objects.get(email="editor@acme.example").avatar == ""
        assert not default_storage.exists(second)


def test_bad_picture_is_refused_at_its_field_in_page_and_api(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    client = as_role("editor")
    content, sentence = BAD_PICTURES["svg"]
    page = upload(client, content, "me.png")
    assert (page.status_code, sentence in page.content.decode()) == (400, True)
    answer = client.put(
        "/api/v1/me/avatar/",
        b'--x\r\nContent-Disposition: form-data; name="picture"; filename="me.png"\r\n\r\n'
        + content
        + b"\r\n--x--\r\n",
        content_type="multipart/form-data; boundary=x",
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/picture"
    with context.run_in(acme):
        assert User.objects.get(email="editor@acme.example").avatar == ""
        assert not list(Path(default_storage.path("")).rglob("*.png"))


def test_api_sets_and_removes_the_picture(as_role: LoggedIn) -> None:
    client = as_role("editor")
    body = (
        b'--x\r\nContent-Disposition: form-data; name="picture"; filename="me.png"\r\n\r\n'
        + picture()
        + b"\r\n--x--\r\n"
    )
    answer = client.put("/api/v1/me/avatar/", body, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 200, answer.json()
    assert answer.json()["avatar_url"].endswith(".webp")
    assert client.delete("/api/v1/me/avatar/").status_code == 204
    assert client.get("/api/v1/me/").json()["avatar_url"] == ""


# --- Welcome ---------------------------------------------------------------------------------------


def test_whoever_accepts_an_invitation_is_greeted_once(
    in_acme: TenantRef,
    acme_people: People,
    tasks_at_once: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        invitations.invite_person(
            email="nora@acme.example",
            role=Role.objects.get(slug="member"),
            by=acme_people["owner"],
        )
    token = str(mail.outbox[-1].body).split("/invitations/")[1].split("/")[0]
    with django_capture_on_commit_callbacks(execute=True):
        person = invitations.accept_invitation(
            token=token, full_name="Nora New", password="a long enough passphrase"
        )
    letter = mail.outbox[-1]
    assert (letter.subject, letter.to) == ("Welcome to Acme", ["nora@acme.example"])
    assert "http://acme.localhost:8000/account/" in str(letter.body)
    count = len(mail.outbox)
    person.refresh_from_db()
    welcoming.send_letter(person=person)
    assert len(mail.outbox) == count, "a task that is repeated sends no second one"


# --- Passwords -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("elevenchars", "at least 12 characters"),
        ("1qaz2wsx3edc", "too common"),
        ("123456789012", "entirely numeric"),
        ("editor@acme.example", "too similar"),
    ],
)
def test_password_that_is_weak(
    acme_people: People, as_role: LoggedIn, password: str, sentence: str
) -> None:
    answer = as_role("editor").post(
        "/account/password/change/",
        {
            "oldpassword": "a long enough passphrase",
            "password1": password,
            "password2": password,
        },
    )
    assert sentence in answer.content.decode()
