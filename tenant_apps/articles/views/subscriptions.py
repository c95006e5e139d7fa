"""Letters about new articles: asking for them, confirming, leaving."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from shared_apps.tenants.visitors import network_of
from tenant_apps.articles import subscribing
from tenant_apps.articles.errors import SubscriptionInvalid, TooManySubscriptions
from tenant_apps.articles.forms import SubscribeForm


@never_cache
@require_http_methods(["GET", "POST"])
def subscribe(request: HttpRequest) -> HttpResponse:
    """Ask for letters. The answer is the same for every address."""
    form = SubscribeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and (form.is_trapped or form.is_valid()):
        if not form.is_trapped:
            try:
                subscribing.ask_for_letters(
                    email=form.cleaned_data["email"], network=network_of(request)
                )
            except TooManySubscriptions as error:
                form.add_error("email", str(error))
        if form.is_trapped or form.is_valid():
            return _page(request, "asked")
    status = 400 if form.is_bound else 200
    return _page(request, "form", form=form, status=status)


@never_cache
@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """The link of a letter. It asks once more: mail programs open links by themselves."""
    try:
        if request.method == "POST":
            subscribing.confirm_subscription(token=token)
            return _page(request, "confirmed")
        subscribing.find_request(token=token)
    except SubscriptionInvalid as error:
        return _page(request, "invalid", sentence=str(error), status=404)
    return _page(request, "confirm")


# A mail program has neither a session nor a form: the token is what lets it in (RFC 8058 section 3.1).
@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def leave(request: HttpRequest, token: str) -> HttpResponse:
    """Leave: at once by POST, as mail programs do; a person who follows the link is asked first."""
    try:
        if request.method == "POST":
            subscribing.leave(token=token)
            return _page(request, "left")
        subscribing.check_leave_token(token=token)
    except SubscriptionInvalid as error:
        return _page(request, "invalid", sentence=str(error), status=404)
    return _page(request, "leave")


def _page(
    request: HttpRequest,
    step: str,
    *,
    form: SubscribeForm | None = None,
    sentence: str = "",
    status: int = 200,
) -> HttpResponse:
    return render(
        request,
        "tenant/articles/subscription.html",
        {"section": "articles", "step": step, "form": form, "sentence": sentence},
        status=status,
    )
