from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from tenant_apps.products import selectors
from tenant_apps.products.file_formats import FORMATS
from tenant_apps.products.models import REVIEW_LENGTH, MatchBy, Review, State


class ImportForm(forms.Form):
    """A file of products, and how it is to be taken."""

    file = forms.FileField(
        label="CSV file",
        help_text="Shopify's product export, or Terrace's own format. At most 50 MB, in UTF-8.",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        allow_empty_file=True,
        error_messages={"required": "Choose a CSV file."},
    )
    match_by = forms.ChoiceField(
        label="A product is here already if we know",
        choices=MatchBy.choices,
        initial=MatchBy.HANDLE,
        required=False,
        widget=forms.RadioSelect,
    )
    skips_faulty = forms.BooleanField(
        required=False,
        label="Import what is right and leave out what is faulty",
        help_text="Otherwise nothing is imported until the whole file is right.",
    )

    def uploaded(self) -> "UploadedFile[Any]":
        file: UploadedFile[Any] = self.cleaned_data["file"]
        return file

    def clean_match_by(self) -> MatchBy:
        return MatchBy(self.cleaned_data["match_by"] or MatchBy.HANDLE)


class ExportForm(forms.Form):
    """Which products, and in which format."""

    format = forms.ChoiceField(
        choices=[(form.name, form.label) for form in FORMATS.values()],
        required=False,
        error_messages={"invalid_choice": 'There is no format "%(value)s": shopify or simple.'},
    )
    state = forms.ChoiceField(
        choices=State.choices,
        required=False,
        error_messages={"invalid_choice": 'There is no state "%(value)s".'},
    )
    category = forms.SlugField(allow_unicode=True, required=False)

    def sentences(self) -> dict[str, list[str]]:
        """What is wrong, by field."""
        return {name: [str(one) for one in errors] for name, errors in self.errors.items()}

    def sentence(self) -> str:
        """What is wrong, in one line."""
        return " ".join(one for errors in self.sentences().values() for one in errors)

    def chosen(self) -> dict[str, Any]:
        """The products and the format's name."""
        told = self.cleaned_data
        return {
            "products": selectors.products_to_export(
                state=told["state"], category_slug=told["category"]
            ),
            "format_name": told["format"] or "shopify",
        }


class ReviewForm(forms.Form):
    """What a member thinks of a product."""

    stars = forms.TypedChoiceField(
        coerce=int,
        choices=[(5, "5 stars"), (4, "4 stars"), (3, "3 stars"), (2, "2 stars"), (1, "1 star")],
        error_messages={"invalid_choice": "Give 1 to 5 stars.", "required": "Give 1 to 5 stars."},
    )
    text = forms.CharField(
        label="In your words",
        max_length=REVIEW_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    @classmethod
    def of(cls, review: Review | None) -> "ReviewForm":
        """With what was written before."""
        return cls(initial={"stars": review.stars, "text": review.text} if review else None)
