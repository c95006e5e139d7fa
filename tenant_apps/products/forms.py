from collections.abc import Callable
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from tenant_apps.products import selectors
from tenant_apps.products.file_formats import FORMATS
from tenant_apps.products.models import REVIEW_LENGTH, Category, MatchBy, Review, State
from tenant_apps.products.money import AmountInvalid, read_amount
from tenant_apps.products.search import Order, Wishes


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
        label="Find products that are here already by",
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


class WishesForm(forms.Form):
    """What somebody looks for among the products; a page and the API read the same."""

    q = forms.CharField(required=False, max_length=100, strip=True)
    price_from = forms.CharField(required=False, max_length=30)
    price_to = forms.CharField(required=False, max_length=30)
    in_stock = forms.BooleanField(required=False)
    order = forms.ChoiceField(
        choices=Order.choices,
        required=False,
        error_messages={"invalid_choice": 'There is no order "%(value)s".'},
    )

    def __init__(self, data: Any, *, currency: Callable[[], str]) -> None:
        super().__init__({name: str(value).replace("\x00", "") for name, value in data.items()})
        self.currency = currency

    def clean_q(self) -> str:
        words: str = self.cleaned_data["q"]
        return words

    def clean_price_from(self) -> int | None:
        return self._amount("price_from")

    def clean_price_to(self) -> int | None:
        return self._amount("price_to")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        lowest, highest = cleaned.get("price_from"), cleaned.get("price_to")
        if lowest is not None and highest is not None and lowest > highest:
            self.add_error("price_to", "The highest price is lower than the lowest.")
        return cleaned

    def wishes(self, *, category: Category | None = None) -> Wishes:
        """What fits is looked for by what the form has understood."""
        told = self.cleaned_data
        return Wishes(
            words=told.get("q", ""),
            category=category,
            price_from=told.get("price_from"),
            price_to=told.get("price_to"),
            in_stock=told.get("in_stock", False),
            order=Order(told.get("order") or Order.BEST),
        )

    def _amount(self, name: str) -> int | None:
        text = self.cleaned_data[name]
        if not text:
            return None
        try:
            return read_amount(text, currency=self.currency())[0]
        except AmountInvalid as error:
            raise forms.ValidationError(str(error)) from error
