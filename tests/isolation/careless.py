"""A tenant's urlconf with deliberately careless views, for tests alone.

`search` puts a parameter into SQL, `whole` sends one as SQL. What they may do is what the locks let
them do.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from django.core import signing
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import Error, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import include, path

from shared_apps.tenants import context
from shared_apps.tenants.errors import TenancyError
from shared_apps.tenants.models import Tenant
from tenant_apps.articles.models import Article
from tests.isolation.probe.models import Note

logger = logging.getLogger("tests.careless")


def _answer(statement: str) -> JsonResponse:
    """The rows as text, or what refused them. A savepoint keeps the request's transaction whole."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
            rows = [[str(value) for value in row] for row in cursor] if cursor.description else []
    except (Error, TenancyError) as error:
        return JsonResponse({"refused": type(error).__name__, "why": str(error)})
    return JsonResponse({"rows": rows})


def search(request: HttpRequest) -> JsonResponse:
    """The f-string that everybody warns of."""
    return _answer(f"SELECT text FROM probe_note WHERE text = '{request.GET['q']}'")


@transaction.non_atomic_requests
def search_outside(request: HttpRequest) -> JsonResponse:
    """The same without a request's transaction."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT text FROM probe_note WHERE text = '{request.GET['q']}'")
            return JsonResponse({"rows": [[str(value) for value in row] for row in cursor]})
    except (Error, TenancyError) as error:
        return JsonResponse({"refused": type(error).__name__, "why": str(error)})


def whole(request: HttpRequest) -> JsonResponse:
    """SQL as the client likes it."""
    return _answer(request.GET["sql"])


@transaction.non_atomic_requests
def whole_outside(request: HttpRequest) -> JsonResponse:
    """The same without a request's transaction."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(request.GET["sql"])
            rows = [[str(value) for value in row] for row in cursor] if cursor.description else []
    except (Error, TenancyError) as error:
        return JsonResponse({"refused": type(error).__name__, "why": str(error)})
    return JsonResponse({"rows": rows})


def notes(request: HttpRequest) -> JsonResponse:
    """All notes, and whose transaction it is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('search_path')")
        user, search_path = cursor.fetchone()
    texts = list(Note.objects.order_by("id").values_list("text", flat=True))
    return JsonResponse({"notes": texts, "user": user, "search_path": search_path})


@transaction.non_atomic_requests
async def notes_async(request: HttpRequest) -> JsonResponse:
    """As notes, in pieces that let other requests in between."""
    texts = []
    async for note in Note.objects.order_by("id"):
        await asyncio.sleep(0)
        texts.append(note.text)
    tenant = context.require_tenant()
    return JsonResponse({"notes": texts, "tenant": tenant.subdomain})


def note(request: HttpRequest, note_id: int) -> HttpResponse:
    """One note by its number, written carelessly on purpose: nothing filters by tenant."""
    return HttpResponse(Note.objects.get(pk=note_id).text)


def crash(request: HttpRequest) -> HttpResponse:
    """Writes, then fails."""
    Note.objects.create(text="half done")
    raise RuntimeError("on purpose")


def orphan(request: HttpRequest) -> HttpResponse:
    """Says that all is well, and its COMMIT will be refused: the foreign key is checked then."""
    Note.objects.create(text="orphan", parent_id=987_654_321)
    return HttpResponse("well")


def slow(request: HttpRequest) -> JsonResponse:
    """Longer than the statement's limit."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 50")
        cursor.execute("SELECT pg_sleep(5)")
    return JsonResponse({})


@transaction.non_atomic_requests
def stream(request: HttpRequest) -> StreamingHttpResponse:
    """A note in each part, read while the response is sent."""

    def parts() -> Iterator[str]:
        try:
            for number in range(1, 4):
                note = Note.objects.filter(pk=number).first()
                yield f"{note.text if note else '-'}@{context.require_tenant().subdomain};"
        finally:
            logger.info("stream ended in %s", context.current_tenant())

    return StreamingHttpResponse(parts())


@transaction.non_atomic_requests
async def stream_async(request: HttpRequest) -> StreamingHttpResponse:
    """As stream, asynchronously."""

    async def parts() -> AsyncIterator[str]:
        try:
            for number in range(1, 4):
                note = await Note.objects.filter(pk=number).afirst()
                yield f"{note.text if note else '-'}@{context.require_tenant().subdomain};"
                await asyncio.sleep(float(request.GET.get("pause", "0")))
        finally:
            logger.info("stream ended in %s", context.current_tenant())

    return StreamingHttpResponse(parts())


def thread(request: HttpRequest) -> JsonResponse:
    """What a thread sees, bare and carried."""
    seen: dict[str, Any] = {}

    def read(name: str) -> None:
        try:
            seen[name] = context.require_tenant().subdomain
        except TenancyError as error:
            seen[name] = type(error).__name__

    for name, work in (("bare", read), ("carried", context.carry(read))):
        worker = threading.Thread(target=work, args=(name,))
        worker.start()
        worker.join()
    return JsonResponse(seen)


def session(request: HttpRequest) -> JsonResponse:
    """Keeps what `set` says in the session, and shows what is there."""
    if "set" in request.GET:
        request.session["secret"] = request.GET["set"]
    return JsonResponse({"secret": request.session.get("secret")})


@transaction.non_atomic_requests
async def session_async(request: HttpRequest) -> JsonResponse:
    """As session, asynchronously."""
    if "set" in request.GET:
        await request.session.aset("secret", request.GET["set"])
    return JsonResponse({"secret": await request.session.aget("secret")})


def cached(request: HttpRequest) -> JsonResponse:
    """Keeps what `set` says in the cache under one key."""
    if "set" in request.GET:
        cache.set("secret", request.GET["set"])
    return JsonResponse({"secret": cache.get("secret")})


def signed(request: HttpRequest) -> JsonResponse:
    """Signs `set`, reads `read`."""
    if "set" in request.GET:
        return JsonResponse({"token": signing.dumps(request.GET["set"])})
    try:
        return JsonResponse({"value": signing.loads(request.GET["read"])})
    except signing.BadSignature as error:
        return JsonResponse({"refused": type(error).__name__})


def upload(request: HttpRequest) -> JsonResponse:
    """Keeps a file."""
    name = default_storage.save(request.GET["name"], ContentFile(request.GET["text"].encode()))
    return JsonResponse({"name": name})


def next_door(request: HttpRequest) -> JsonResponse:
    """Changes a row, a relation or a file of the tenant that the client names, as no view may."""
    with context.run_in_public():
        neighbour = Tenant.objects.get(subdomain=request.GET["tenant"]).ref
    with context.run_in(neighbour):
        if request.GET["change"] == "file":
            default_storage.save("next-door.txt", ContentFile(b"changed"))
        elif request.GET["change"] == "relation":
            Article.objects.get().tags.clear()
        else:
            Article.objects.update(excerpt="changed")
    return JsonResponse({})


def log(request: HttpRequest) -> JsonResponse:
    """Writes a line into the log."""
    logger.info("a line of %s", request.GET["q"])
    return JsonResponse({})


def who(request: HttpRequest) -> HttpResponseBase:
    """The tenant of the request, and nothing that the client says changes it."""
    return JsonResponse({"tenant": context.require_tenant().subdomain})


urlpatterns = [
    path("careless/search", search),
    path("careless/search-outside", search_outside),
    path("careless/whole", whole),
    path("careless/whole-outside", whole_outside),
    path("careless/notes", notes),
    path("careless/notes-async", notes_async),
    path("careless/notes/<int:note_id>", note),
    path("careless/crash", crash),
    path("careless/orphan", orphan),
    path("careless/slow", slow),
    path("careless/stream", stream),
    path("careless/stream-async", stream_async),
    path("careless/thread", thread),
    path("careless/session", session),
    path("careless/session-async", session_async),
    path("careless/cached", cached),
    path("careless/signed", signed),
    path("careless/upload", upload),
    path("careless/next-door", next_door),
    path("careless/log", log),
    path("careless/who", who),
    path("", include("config.urls_tenant")),
]
handler404 = "shared_apps.domains.status_pages.page_not_found"
handler500 = "shared_apps.domains.status_pages.server_error"
