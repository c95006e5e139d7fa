import zoneinfo
from datetime import datetime
from typing import Any

from django import forms

from tenant_apps.articles.models import Article, Category
from tenant_apps.articles.models.comments import COMMENT_LENGTH
from tenant_apps.articles.models.revisions import TAGS_LENGTH

MAX_BODY_CHARACTERS = 200_000


class ArticleForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """What a writer fills in. It validates; `writing` keeps."""

    tags = forms.CharField(
        required=False,
        max_length=TAGS_LENGTH,
        help_text="Words that it is found by, with commas between them.",
    )
    version = forms.IntegerField(
        min_value=1,
        widget=forms.HiddenInput,
        error_messages={"required": "The page is incomplete. Load it again."},
    )

    class Meta:
        model = Article
        fields = ["title", "body", "excerpt", "category", "visibility", "slug"]
        widgets = {
            "body": forms.Textarea(
                attrs={
                    "class": "is-tall is-code",
                    "spellcheck": "true",
                    "maxlength": MAX_BODY_CHARACTERS,
                }
            ),
            "excerpt": forms.Textarea(attrs={"rows": 3}),
        }
        labels = {"slug": "Address", "body": "Text"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        category = self.fields["category"]
        assert isinstance(category, forms.ModelChoiceField)  # noqa: S101 (narrows the type for mypy)
        category.queryset = Category.objects.all()
        category.empty_label = "None"
        # A page that was loaded before there was a choice says nothing of it.
        self.fields["visibility"].required = False
        self.fields["slug"].required = False
        self.fields[
            "slug"
        ].help_text = (
            "The last part of its address. Where it changes, the old address leads to the new one."
        )
        if self.instance._state.adding:
            del self.fields["slug"], self.fields["version"]
        else:
            self.fields["tags"].initial = ", ".join(tag.name for tag in self.instance.tags.all())
            self.fields["version"].initial = self.instance.version

    def clean_body(self) -> str:
        return _checked_body(self.cleaned_data["body"])

    def _get_validation_exclusions(self) -> set[str]:
        """Whether a slug is taken the verb says, by all the addresses that it knows."""
        exclude: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # the stubs leave it out
        return exclude | {"slug"}

    def clean_visibility(self) -> str:
        visibility: str = self.cleaned_data["visibility"] or self.instance.visibility
        return visibility

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data.get("slug", "")
        return slug.strip().lower() or self.instance.slug

    def tag_names(self) -> list[str]:
        return _tag_names(self.cleaned_data["tags"])

    def changes(self) -> dict[str, Any]:
        """The values of the article's own fields, for the verbs."""
        return {
            name: self.cleaned_data[name]
            for name in ("title", "slug", "excerpt", "body", "category", "visibility")
            if name in self.cleaned_data
        }


class ArticleAdminForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """The admin's form of an article. It validates; `writing` keeps, the tags too."""

    # Not `version`: Django's admin refuses the name of a field that no form may change.
    seen_version = forms.IntegerField(
        widget=forms.HiddenInput,
        error_messages={"required": "The page is incomplete. Load it again."},
    )

    class Meta:
        model = Article
        fields = ["title", "body"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "visibility" in self.fields:
            self.fields["visibility"].required = False
        if self.instance._state.adding:
            self.fields.pop("seen_version", None)
        else:
            self.fields["seen_version"].initial = self.instance.version

    def clean_body(self) -> str:
        return _checked_body(self.cleaned_data["body"])

    def clean_visibility(self) -> str:
        visibility: str = self.cleaned_data["visibility"] or self.instance.visibility
        return visibility

    def _save_m2m(self) -> None:
        """Nothing: Django's admin would write the tags beside the verb."""


class KeptWordsForm(forms.Form):
    """What a writer has typed so far: anything goes that could be kept, also nothing."""

    title = forms.CharField(required=False, max_length=200, strip=False)
    excerpt = forms.CharField(required=False, max_length=300, strip=False)
    body = forms.CharField(required=False, strip=False)
    tags = forms.CharField(required=False, max_length=TAGS_LENGTH, strip=False)
    version = forms.IntegerField(required=False, min_value=0)

    def clean_body(self) -> str:
        return _checked_body(self.cleaned_data["body"])

    def words(self) -> dict[str, Any]:
        """For `revising.keep_words`."""
        values = dict(self.cleaned_data)
        return {"base_version": values.pop("version") or 0, **values}


class MergeForm(forms.Form):
    """What a writer has made of their own words and somebody else's."""

    title = forms.CharField(max_length=200)
    body = forms.CharField(
        label="Text",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"class": "is-tall is-code", "spellcheck": "true"}),
    )
    excerpt = forms.CharField(
        required=False, max_length=300, widget=forms.Textarea(attrs={"rows": 3})
    )
    tags = forms.CharField(required=False, max_length=TAGS_LENGTH)
    version = forms.IntegerField(
        min_value=1,
        widget=forms.HiddenInput,
        error_messages={"required": "The page is incomplete. Load it again."},
    )

    def clean_body(self) -> str:
        return _checked_body(self.cleaned_data["body"])

    def merged(self) -> dict[str, Any]:
        """For `revising.save_merged`."""
        return {**self.cleaned_data, "tags": _tag_names(self.cleaned_data["tags"])}


class CommentForm(forms.Form):
    """What a reader says. Members are known; visitors give a name and an address."""

    name = forms.CharField(max_length=80, label="Your name")
    email = forms.EmailField(
        max_length=254, label="Your e-mail address", help_text="Shown to moderators alone."
    )
    body = forms.CharField(
        label="Your comment",
        max_length=COMMENT_LENGTH,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    # Nobody sees it, so whoever fills it in is a program.
    website = forms.CharField(
        required=False,
        label="Leave this empty",
        widget=forms.TextInput(attrs={"tabindex": "-1", "autocomplete": "off"}),
    )
    stamp = forms.CharField(required=False, widget=forms.HiddenInput, max_length=300)
    answers = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, is_member: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_member:
            del self.fields["name"], self.fields["email"]

    @property
    def is_trapped(self) -> bool:
        """Whether a program has filled in what people don't see."""
        return bool(self.data.get("website"))


class SubscribeForm(forms.Form):
    """An address that wants letters."""

    email = forms.EmailField(max_length=254, label="Your e-mail address")
    # Nobody sees it, so whoever fills it in is a program.
    website = forms.CharField(required=False)

    @property
    def is_trapped(self) -> bool:
        """Whether a program has filled in what people don't see."""
        return bool(self.data.get("website"))


class PictureForm(forms.Form):
    """A picture, and what it shows. Whether it is one, `pictures` says."""

    file = forms.FileField(
        label="Picture",
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp,image/gif"}),
        error_messages={"required": "Choose a picture first."},
    )
    alt = forms.CharField(
        required=False,
        max_length=200,
        label="Description",
        help_text="What it shows, for those who can't see it.",
    )


class MoveForm(forms.Form):
    """A file of another system."""

    file = forms.FileField(
        label="Export file",
        help_text="WordPress: Tools, Export, All content (.xml). "
        "Ghost: Settings, Import/Export, Export content (.json). At most 200 MB.",
        widget=forms.FileInput(attrs={"accept": ".xml,.json,text/xml,application/json"}),
        allow_empty_file=True,
        error_messages={"required": "Choose the file that the other system gave you."},
    )
    site_address = forms.URLField(
        required=False,
        label="Address of the site",
        help_text="For Ghost alone, whose file does not say where its pictures are.",
        assume_scheme="https",
        max_length=200,
        widget=forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "url"}),
    )
    with_pictures = forms.BooleanField(
        required=False,
        initial=True,
        label="Fetch the pictures too",
        help_text="From where they are now. The site before has to be up for that.",
    )


class ScheduleForm(forms.Form):
    """A day and time of day in a time zone."""

    time_zone = forms.CharField(widget=forms.HiddenInput, max_length=64)
    at = forms.DateTimeField(
        label="Publish at",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={
            "required": "Give the day and the time at which it is to be published.",
            "invalid": "Give the day and the time at which it is to be published.",
        },
    )

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        if name not in zoneinfo.available_timezones():
            raise forms.ValidationError(f'"{name}" is not a time zone.')
        return name

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "time_zone" in self.errors:
            # The field is hidden: what is wrong is said where people look.
            self.add_error("at", "Give the day and the time once more; the page was incomplete.")
        return cleaned

    @property
    def moment(self) -> datetime:
        """The moment that was meant, once the form is valid."""
        wall_time: datetime = self.cleaned_data["at"]
        return wall_time.replace(tzinfo=zoneinfo.ZoneInfo(self.cleaned_data["time_zone"]))


def _tag_names(words: str) -> list[str]:
    return [name.strip() for name in words.split(",") if name.strip()]


def _checked_body(body: str) -> str:
    if len(body) > MAX_BODY_CHARACTERS:
        raise forms.ValidationError(
            f"The text has {len(body):,} characters; {MAX_BODY_CHARACTERS:,} is the most that "
            "fits. Make two articles of it."
        )
    return body.replace("\r\n", "\n")
