"""What an owner fills in. The rules are the verbs'; a form says which words belong to which field."""

import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from tenant_apps.articles.models import Category as ArticleCategory
from tenant_apps.products.models import Category as ProductCategory
from tenant_apps.workspace import colours
from tenant_apps.workspace.fonts import FONTS
from tenant_apps.workspace.look import (
    CATEGORIES,
    HEADERS,
    MAX_BELOW,
    MAX_FOOTER,
    MAX_LABEL,
    MAX_LINKS,
    MAX_TEXT,
    MAX_TITLE,
    OUTSIDE,
    PAGES,
    PRODUCTS_SHOWN,
    SECTIONS,
    Look,
    MenuLink,
    Section,
)
from tenant_apps.workspace.models import Workspace, check_one_line
from tenant_apps.workspace.themes import THEMES

_PICTURES: Final = "image/jpeg,image/png,image/webp,image/gif"
# As many categories as a select shows; whoever has more writes the address.
_CATEGORIES_OFFERED: Final = 100


class SettingsForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """What the workspace is called, where it stands, and how it counts."""

    time_zone = forms.ChoiceField(help_text="Dates on the site are shown in it.")
    language = forms.ChoiceField(help_text="What the site is written in; search knows its words.")

    class Meta:
        model = Workspace
        fields = ["name", "tagline", "language", "time_zone", "currency", "signup_open"]
        labels = {"tagline": "A line about it"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = sorted(zoneinfo.available_timezones())
        self.fields["time_zone"].choices = [(zone, zone) for zone in zones]  # type: ignore[attr-defined]
        self.fields["language"].choices = settings.LANGUAGES  # type: ignore[attr-defined]


class MailForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Whom letters come from, and where answers go."""

    class Meta:
        model = Workspace
        fields = ["mail_from_name", "mail_reply_to"]


class ClosingForm(forms.Form):
    """What visitors read while the site is closed."""

    message = forms.CharField(
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Plain text. Say why, and what there is to do meanwhile.",
    )
    until = forms.DateTimeField(
        label="Open again at about",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
        help_text="Visitors and search engines are told. You open it yourself.",
    )


class _ColourField(forms.CharField):
    """A colour in the browser's own chooser, which knows no empty value: the house's stands for it."""

    widget = forms.TextInput(attrs={"type": "color"})

    def prepare_value(self, value: Any) -> Any:
        return value or colours.HOUSE

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((data or "").lower() != (initial or colours.HOUSE))


class LookForm(forms.Form):
    """Theme, colours, faces and header."""

    theme = forms.ChoiceField(
        choices=[(key, theme.name) for key, theme in THEMES.items()], widget=forms.RadioSelect
    )
    brand = _ColourField(label="Your colour", help_text="Of bands and of the welcome.")
    accent = _ColourField(
        label="Links and buttons",
        help_text="By night a lighter shade of it is used, which can be read on dark.",
    )
    heading_font = forms.ChoiceField(
        label="Headings",
        required=False,
        choices=[("", "The theme's own"), *((key, font.name) for key, font in FONTS.items())],
    )
    body_font = forms.ChoiceField(
        label="Texts",
        required=False,
        choices=[
            ("", "The theme's own"),
            *((key, font.name) for key, font in FONTS.items() if font.for_texts),
        ],
    )
    header = forms.ChoiceField(label="The header shows", choices=list(HEADERS.items()))
    shows_tagline = forms.BooleanField(label="Show the line about it, too", required=False)


class LogoForm(forms.Form):
    """A logo. Whether it is a picture, `tenant_apps.images` says."""

    logo = forms.FileField(
        label="Picture",
        widget=forms.FileInput(attrs={"accept": _PICTURES}),
        help_text="PNG, WebP, JPEG or GIF, up to 5 MB; best with a clear ground. The icon of the "
        "browser's tab is made from it.",
        error_messages={"required": "Choose a picture first."},
    )


class PictureForm(forms.Form):
    """The picture beside the words of welcome."""

    picture = forms.FileField(
        label="Picture",
        widget=forms.FileInput(attrs={"accept": _PICTURES}),
        error_messages={"required": "Choose a picture first."},
    )
    alt = forms.CharField(
        label="What it shows",
        required=False,
        max_length=200,
        help_text="For those who can't see it. Empty where it only adorns.",
    )


class FooterForm(forms.Form):
    """The words at the foot of every page."""

    footer = forms.CharField(
        label="Footer",
        required=False,
        max_length=MAX_FOOTER,
        widget=forms.Textarea(attrs={"rows": 6, "class": "is-code"}),
        help_text="Markdown: **bold**, [a link](https://example.com). Empty: your name.",
    )


def destinations() -> list[tuple[str, Any]]:
    """Where a link of the menu may lead: pages, categories (two queries), or outside."""
    pages = [(f"{kind}:", label) for kind, (label, _) in PAGES.items()]
    return [
        ("Pages", pages),
        ("Categories of articles", _offered("article-category", ArticleCategory.objects.all())),
        ("Categories of products", _offered("product-category", ProductCategory.objects.all())),
        ("Elsewhere", [(f"{OUTSIDE}:", "The address outside, below")]),
    ]


def _offered(kind: str, rows: Any) -> list[tuple[str, str]]:
    found = rows.order_by("name", "id").values_list("slug", "name")[:_CATEGORIES_OFFERED]
    return [(f"{kind}:{slug}", name) for slug, name in found]


class LinkForm(forms.Form):
    """One link of the menu."""

    label = forms.CharField(
        label="Name", required=False, max_length=MAX_LABEL, validators=[check_one_line]
    )
    destination = forms.ChoiceField(label="Leads to", required=False)
    address = forms.CharField(label="Address outside", required=False, max_length=500)
    is_below = forms.BooleanField(label="Below the link before it", required=False)
    position = forms.IntegerField(label="Place", required=False, min_value=0, max_value=999)

    def __init__(self, *args: Any, offered: Sequence[tuple[str, Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["destination"].choices = [("", "Nowhere: leave it out"), *offered]  # type: ignore[attr-defined]
        self.fields["address"].widget.attrs["placeholder"] = "https://"

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("destination") and not cleaned.get("label"):
            self.add_error("label", "Give the link a name.")
        if cleaned.get("label") and not cleaned.get("destination"):
            self.add_error("destination", "Choose where it leads.")
        return cleaned

    @property
    def link(self) -> MenuLink | None:
        """The link that was filled in, without its address."""
        kind, _, target = self.cleaned_data.get("destination", "").partition(":")
        if not kind:
            return None
        if kind == OUTSIDE:
            target = self.cleaned_data.get("address", "")
        return MenuLink(label=self.cleaned_data["label"], kind=kind, target=target, href="")


class _BaseMenu(forms.BaseFormSet[LinkForm]):
    def links(self) -> list[MenuLink]:
        """The menu in the order of the places. Raises ValidationError where the first is below."""
        filled = [form for form in self.forms if form.link is not None]
        filled.sort(key=lambda form: form.cleaned_data.get("position") or 0)
        top: list[tuple[MenuLink, list[MenuLink]]] = []
        for form in filled:
            link = form.link
            if link is None:
                continue
            if not form.cleaned_data.get("is_below"):
                top.append((link, []))
            elif top:
                top[-1][1].append(link)
            else:
                raise ValidationError("The first link stands below none. Take the tick away.")
        return [
            MenuLink(one.label, one.kind, one.target, "", tuple(children)) for one, children in top
        ]


MenuFormSet = forms.formset_factory(
    LinkForm, formset=_BaseMenu, extra=3, max_num=MAX_LINKS * (1 + MAX_BELOW), absolute_max=120
)


def menu_rows(look: Look) -> list[dict[str, Any]]:
    """The menu as the rows of the form; where an owner has made none, the one that is shown."""
    links = look.menu or tuple(
        MenuLink(PAGES[name][0].removeprefix("All ").capitalize(), name, "", "")
        for name in ("articles", "products")
    )
    rows: list[dict[str, Any]] = []
    for link, is_below in _flat(links):
        rows.append(
            {
                "label": link.label,
                "destination": f"{link.kind}:{link.target if link.kind in CATEGORIES else ''}",
                "address": link.target if link.kind == OUTSIDE else "",
                "is_below": is_below,
                "position": (len(rows) + 1) * 10,
            }
        )
    return rows


def _flat(links: Iterable[MenuLink]) -> Iterable[tuple[MenuLink, bool]]:
    for link in links:
        yield link, False
        for below in link.children:
            yield below, True


class SectionForm(forms.Form):
    """One section of the home page: the fields that its kind has."""

    is_on = forms.BooleanField(label="Show it", required=False)
    position = forms.IntegerField(label="Place", min_value=0, max_value=99)
    title = forms.CharField(required=False, max_length=MAX_TITLE, validators=[check_one_line])
    text = forms.CharField(
        required=False, max_length=MAX_TEXT, widget=forms.Textarea(attrs={"rows": 4})
    )
    button_label = forms.CharField(
        label="Words on the button", required=False, max_length=MAX_LABEL
    )
    button_href = forms.CharField(
        label="The button leads to",
        required=False,
        max_length=500,
        help_text="A page of this site, as /products/, or an address as https://example.com.",
    )
    shows = forms.ChoiceField(label="Shows", choices=list(PRODUCTS_SHOWN.items()))

    # What each kind has besides.
    KEEPS: Final[Mapping[str, tuple[str, ...]]] = {
        "hero": ("title", "text", "button_label", "button_href"),
        "articles": ("title",),
        "products": ("title", "shows"),
        "text": ("title", "text"),
        "categories": ("title",),
        "letters": ("title", "text"),
    }

    def __init__(self, data: Any = None, *, kind: str, initial: dict[str, Any]) -> None:
        super().__init__(data, prefix=kind, initial=initial)
        self.kind = kind
        self.kind_label = SECTIONS[kind]
        for name in list(self.fields):
            if name not in {"is_on", "position", *self.KEEPS[kind]}:
                del self.fields[name]
        if kind == "text":
            self.fields["text"].help_text = "Markdown, as in articles."

    @property
    def section(self) -> Section:
        """The section that was filled in."""
        values = {name: self.cleaned_data[name] for name in ("is_on", *self.KEEPS[self.kind])}
        return Section(self.kind, **values)


def section_forms(look: Look, data: Any = None) -> list[SectionForm]:
    """A form for each section, in the order in which they stand."""
    forms_ = []
    for number, section in enumerate(look.ordered_sections, start=1):
        initial = {name: getattr(section, name) for name in SectionForm.KEEPS[section.kind]}
        initial |= {"is_on": section.is_on, "position": number}
        forms_.append(SectionForm(data, kind=section.kind, initial=initial))
    return forms_
