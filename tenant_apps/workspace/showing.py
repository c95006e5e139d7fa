"""The look as a page shows it: what is published, or the draft to whoever is trying it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.core.files.storage import default_storage
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from tenant_apps.articles.rendering import render_markdown
from tenant_apps.workspace.fonts import FONTS
from tenant_apps.workspace.kept_row import known_workspace
from tenant_apps.workspace.look import PAGES, Look, MenuLink, StoredPicture, read_look
from tenant_apps.workspace.models import LookDraft
from tenant_apps.workspace.permissions import CHANGE_LOOK, may
from tenant_apps.workspace.themes import THEMES, Theme

# In the session of whoever looks at the draft on the real pages.
PREVIEW_KEY: Final = "workspace_look_preview"
_DEFAULT_MENU: Final = ("articles", "products")


@dataclass(frozen=True, slots=True)
class ShownLink:
    """A link of the menu. `section` is what a page's view calls itself, where the link leads to it."""

    label: str
    href: str
    section: str
    is_outside: bool
    is_current: bool
    children: Sequence["ShownLink"] = ()


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture with the addresses of its sizes."""

    url: str
    small_url: str
    width: int
    height: int
    alt: str

    @property
    def half_width(self) -> int:
        return max(1, self.width // 2)


class ShownLook:
    """What templates read as `look`. Nothing is computed that a page does not ask for."""

    def __init__(self, look: Look, *, path: str, is_preview: bool) -> None:
        self.look = look
        self.path = path
        self.is_preview = is_preview

    @property
    def theme(self) -> Theme:
        return THEMES[self.look.theme]

    @property
    def theme_name(self) -> str:
        """The theme's key: `<html data-look>`, and a folder of its templates."""
        return self.look.theme

    @property
    def theme_url(self) -> str:
        """The theme's stylesheet; empty for the house's own."""
        return static(self.theme.stylesheet) if self.theme.stylesheet else ""

    @cached_property
    def style_url(self) -> str:
        """The stylesheet of this tenant's colours and faces; empty where it has none of its own."""
        version = self.look.style_version
        return reverse("workspace:style", args=[version]) if version else ""

    @property
    def font_urls(self) -> list[str]:
        """The files that a page needs first."""
        keys = dict.fromkeys((self.look.used_body_font, self.look.used_heading_font))
        return [static(FONTS[key].file) for key in keys if FONTS[key].file]

    @property
    def shows_logo(self) -> bool:
        return self.look.logo is not None and self.look.header != "name"

    @property
    def shows_name(self) -> bool:
        return self.look.logo is None or self.look.header != "logo"

    @property
    def shows_tagline(self) -> bool:
        return self.look.shows_tagline

    @property
    def logo(self) -> ShownPicture | None:
        return shown_picture(self.look.logo)

    @property
    def picture(self) -> ShownPicture | None:
        return shown_picture(self.look.picture)

    @property
    def icon_url(self) -> str:
        return default_storage.url(self.look.icon) if self.look.icon else ""

    @property
    def footer(self) -> SafeString | str:
        """The footer's words as HTML."""
        return render_markdown(self.look.footer) if self.look.footer else ""

    @cached_property
    def menu(self) -> list[ShownLink]:
        """The links of the header: the owner's, or articles and products."""
        if self.look.menu:
            return [self._shown(link) for link in self.look.menu]
        return [
            ShownLink(
                label=name.capitalize(),
                href=reverse(PAGES[name][1]),
                section=name,
                is_outside=False,
                is_current=False,
            )
            for name in _DEFAULT_MENU
        ]

    def _shown(self, link: MenuLink) -> ShownLink:
        return ShownLink(
            label=link.label,
            href=link.href,
            section=link.kind if link.kind in PAGES else "",
            is_outside=link.href.startswith("https:"),
            is_current=link.href == self.path,
            children=[self._shown(one) for one in link.children],
        )


def shown_look(request: HttpRequest) -> ShownLook:
    """The look for this request: no query, but one for whoever looks at the draft."""
    draft = _draft_for(request)
    look = read_look(draft.look if draft else known_workspace().look)
    return ShownLook(look, path=request.path, is_preview=draft is not None)


def shown_picture(stored: StoredPicture | None) -> ShownPicture | None:
    """A picture's addresses, where there is one."""
    if stored is None:
        return None
    return ShownPicture(
        url=default_storage.url(stored.file),
        small_url=default_storage.url(stored.small),
        width=stored.width,
        height=stored.height,
        alt=stored.alt,
    )


def begin_preview(request: HttpRequest) -> None:
    """Show the draft on all pages, in this session alone."""
    request.session[PREVIEW_KEY] = True


def end_preview(request: HttpRequest) -> None:
    """Show what is published again."""
    request.session.pop(PREVIEW_KEY, None)


def _draft_for(request: HttpRequest) -> LookDraft | None:
    session = getattr(request, "session", None)
    if session is None or not session.get(PREVIEW_KEY):
        return None
    # Who has lost the right since sees what everybody sees.
    return LookDraft.objects.first() if may(request.user, CHANGE_LOOK) else None
