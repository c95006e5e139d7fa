"""The rooms of whoever looks after the workspace: settings, look, menu, home page, mail, closing."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from tenant_apps.images import ImageRefused
from tenant_apps.users.models import User
from tenant_apps.workspace import branding, closing, colours, configuration, forms, showing
from tenant_apps.workspace.look import MAX_LINKS, Look, Mended
from tenant_apps.workspace.models import LookDraft, LookRelease
from tenant_apps.workspace.permissions import CHANGE_LOOK, CHANGE_SETTINGS, CLOSE_SITE, require
from tenant_apps.workspace.selectors import current_workspace
from tenant_apps.workspace.themes import THEMES

RELEASES_SHOWN = 10
# The tabs: address, name, and who sees it.
_TABS = (
    ("workspace:settings", "Settings", CHANGE_SETTINGS),
    ("workspace:look", "Look", CHANGE_LOOK),
    ("workspace:menu", "Menu and footer", CHANGE_LOOK),
    ("workspace:home-page", "Home page", CHANGE_LOOK),
    ("workspace:mail", "Letters", CHANGE_SETTINGS),
    ("workspace:closing", "Closing", CLOSE_SITE),
)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def workspace_settings(request: HttpRequest) -> HttpResponse:
    """Name, language, time zone, currency."""
    return _settings_page(request, forms.SettingsForm, "workspace:settings", "settings.html")


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def mail(request: HttpRequest) -> HttpResponse:
    """Whom letters come from."""
    return _settings_page(request, forms.MailForm, "workspace:mail", "mail.html")


def _settings_page(
    request: HttpRequest, form_class: Any, address: str, template: str
) -> HttpResponse:
    require(request.user, CHANGE_SETTINGS)
    # A row of its own: a form writes what was typed into its object, right or wrong.
    form = form_class(request.POST or None, instance=current_workspace())
    if request.method == "POST" and form.is_valid():
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        configuration.change_settings(changes=changes, by=_person(request))
        messages.success(request, "Saved.")
        return redirect(address)
    return _page(request, template, address, form=form)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def look(request: HttpRequest) -> HttpResponse:
    """Theme, colours, faces, header. What is saved goes into the draft."""
    require(request.user, CHANGE_LOOK)
    now = branding.draft_or_published()
    form = forms.LookForm(request.POST or None, initial=_initial(now))
    mends = "mend" in request.POST
    if request.method == "POST" and form.is_valid():
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        mended = _changed(request, form, changes, mends=mends)
        if mended is not None:
            for one in mended:
                label = form.fields[one.field].label
                messages.warning(
                    request, f"{label}: {one.asked} can't be read; {one.used} stands in its place."
                )
            return _saved(request, "workspace:look")
    return _look_page(request, now, form=form)


def _initial(now: Look) -> dict[str, Any]:
    names = ("theme", "heading_font", "body_font", "header", "shows_tagline", "brand", "accent")
    return {name: getattr(now, name) for name in names}


def _changed(
    request: HttpRequest, form: Form, changes: dict[str, Any], *, mends: bool = False
) -> list[Mended] | None:
    """What was mended; None where the verb refused, with its sentences at the form's fields."""
    try:
        _, mended = branding.change_look(changes=changes, by=_person(request), mends=mends)
    except ValidationError as error:
        for name, sentences in error.message_dict.items():
            for sentence in sentences:
                code = "contrast" if name in {"brand", "accent"} else "invalid"
                form.add_error(
                    name if name in form.fields else None, ValidationError(sentence, code=code)
                )
        return None
    return mended


def _look_page(
    request: HttpRequest,
    now: Look,
    *,
    form: Form | None = None,
    logo_form: Form | None = None,
) -> HttpResponse:
    form = form or forms.LookForm(initial=_initial(now))
    accent = now.accent or colours.HOUSE
    brand = now.brand or colours.HOUSE
    night = colours.palette_of(accent).face.dark
    return _page(
        request,
        "look.html",
        "workspace:look",
        form=form,
        logo_form=logo_form or forms.LogoForm(),
        logo=showing.shown_picture(now.logo),
        themes=THEMES,
        can_mend="mend" not in request.POST
        and any(error.code == "contrast" for error in _contrast_errors(form)),
        contrasts={
            "links by day": (accent, colours.least_contrast(accent, colours.light_papers(accent))),
            "links by night": (night, colours.least_contrast(night, colours.dark_papers(accent))),
            "text on your colour": (brand, colours.text_contrast(brand)),
        },
        releases=LookRelease.objects.select_related("published_by")[:RELEASES_SHOWN],
    )


def _contrast_errors(form: Form) -> list[ValidationError]:
    return [
        error
        for name in ("brand", "accent")
        if name in form.errors
        for error in form.errors[name].as_data()
    ]


@never_cache
@login_required
@require_POST
def logo(request: HttpRequest) -> HttpResponse:
    """Another logo, or none."""
    require(request.user, CHANGE_LOOK)
    if "remove" in request.POST:
        branding.remove_logo(by=_person(request))
        return _saved(request, "workspace:look")
    form = forms.LogoForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            branding.set_logo(sent=form.cleaned_data["logo"], by=_person(request))
        except ImageRefused as error:
            form.add_error("logo", str(error))
        else:
            return _saved(request, "workspace:look")
    return _look_page(request, branding.draft_or_published(), logo_form=form)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def menu(request: HttpRequest) -> HttpResponse:
    """The links of the header and the words at the foot."""
    require(request.user, CHANGE_LOOK)
    now = branding.draft_or_published()
    data = request.POST if request.method == "POST" else None
    formset = forms.MenuFormSet(
        data,
        prefix="link",
        initial=forms.menu_rows(now),
        form_kwargs={"offered": forms.destinations()},
    )
    footer = forms.FooterForm(data, initial={"footer": now.footer})
    sentences: list[str] = []
    if data is not None and formset.is_valid() and footer.is_valid():
        try:
            changes = {"menu": formset.links(), "footer": footer.cleaned_data["footer"]}  # type: ignore[attr-defined]
        except ValidationError as error:
            sentences = error.messages
        else:
            if _changed(request, footer, changes) is not None:
                return _saved(request, "workspace:menu")
            sentences = [str(error) for error in footer.non_field_errors()]
    return _page(
        request,
        "menu.html",
        "workspace:menu",
        formset=formset,
        footer_form=footer,
        sentences=sentences,
        most=MAX_LINKS,
    )


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def home_page(request: HttpRequest) -> HttpResponse:
    """Which sections the home page has, in which order, and what they say."""
    require(request.user, CHANGE_LOOK)
    now = branding.draft_or_published()
    data = request.POST if request.method == "POST" else None
    section_forms = forms.section_forms(now, data)
    sentences: list[str] = []
    if data is not None and _all_valid(section_forms):
        ordered = sorted(section_forms, key=lambda form: form.cleaned_data["position"])
        try:
            branding.change_look(
                changes={"sections": [form.section for form in ordered]}, by=_person(request)
            )
        except ValidationError as error:
            sentences = error.messages
        else:
            return _saved(request, "workspace:home-page")
    return _home_page_page(request, now, section_forms, sentences)


def _all_valid(section_forms: list[forms.SectionForm]) -> bool:
    """Every one is asked, so that every one shows what is wrong."""
    answers = [form.is_valid() for form in section_forms]
    return all(answers)


def _home_page_page(
    request: HttpRequest,
    now: Look,
    section_forms: list[forms.SectionForm],
    sentences: list[str] | None = None,
    picture_form: Form | None = None,
) -> HttpResponse:
    return _page(
        request,
        "home_page.html",
        "workspace:home-page",
        section_forms=section_forms,
        sentences=sentences or [],
        picture_form=picture_form or forms.PictureForm(),
        picture=showing.shown_picture(now.picture),
    )


@never_cache
@login_required
@require_POST
def picture(request: HttpRequest) -> HttpResponse:
    """Another picture beside the words of welcome, or none."""
    require(request.user, CHANGE_LOOK)
    if "remove" in request.POST:
        branding.remove_picture(by=_person(request))
        return _saved(request, "workspace:home-page")
    form = forms.PictureForm(request.POST, request.FILES)
    if form.is_valid():
        sent, alt = form.cleaned_data["picture"], form.cleaned_data["alt"]
        try:
            branding.set_picture(sent=sent, alt=alt, by=_person(request))
        except ImageRefused as error:
            form.add_error("picture", str(error))
        else:
            return _saved(request, "workspace:home-page")
    now = branding.draft_or_published()
    return _home_page_page(request, now, forms.section_forms(now), picture_form=form)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def close(request: HttpRequest) -> HttpResponse:
    """Close the site for visitors, change the message, or open it again."""
    require(request.user, CLOSE_SITE)
    workspace = current_workspace()
    if request.method == "POST" and "open" in request.POST:
        closing.open_site(by=_person(request))
        messages.success(request, "The site is open.")
        return redirect("workspace:closing")
    initial = {"message": workspace.closed_message, "until": workspace.closed_until}
    form = forms.ClosingForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            closing.close_site(**form.cleaned_data, by=_person(request))
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, "The site is closed for visitors.")
            return redirect("workspace:closing")
    return _page(
        request,
        "closing.html",
        "workspace:closing",
        form=form,
        zone=timezone.get_current_timezone(),
    )


# --- Trying out and publishing ----------------------------------------------------------------------


@login_required
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """Show the draft on all pages in this session, or (with `stop`) no longer."""
    require(request.user, CHANGE_LOOK)
    if "stop" in request.POST:
        showing.end_preview(request)
        return redirect("workspace:look")
    showing.begin_preview(request)
    return redirect("workspace:home")


@login_required
@require_POST
def publish(request: HttpRequest) -> HttpResponse:
    """Show the draft to everybody."""
    try:
        branding.publish_look(by=_person(request))
    except branding.NothingToPublish as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Published: this is what everybody sees now.")
    showing.end_preview(request)
    return redirect("workspace:look")


@login_required
@require_POST
def discard(request: HttpRequest) -> HttpResponse:
    """Throw the draft away."""
    branding.discard_draft(by=_person(request))
    showing.end_preview(request)
    messages.success(request, "The draft is gone; the site stays as it is.")
    return redirect("workspace:look")


# --- What all of them share -------------------------------------------------------------------------


def _person(request: HttpRequest) -> User:
    return cast("User", request.user)


def _saved(request: HttpRequest, address: str) -> HttpResponse:
    messages.success(request, "Saved in the draft. Visitors see it when you publish it.")
    return redirect(address)


def _page(request: HttpRequest, template: str, address: str, **context: Any) -> HttpResponse:
    person = _person(request)
    tabs = [(name, label) for name, label, permission in _TABS if person.has_perm(permission)]
    draft = None
    if person.has_perm(CHANGE_LOOK):
        draft = LookDraft.objects.select_related("changed_by").first()
    return render(
        request,
        f"tenant/workspace/owner/{template}",
        {
            "section": "workspace",
            "tabs": tabs,
            "tab": address,
            "draft": draft,
            "is_refused": request.method == "POST",
            **context,
        },
        status=400 if request.method == "POST" else 200,
    )
