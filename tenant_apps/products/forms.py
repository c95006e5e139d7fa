from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from tenant_apps.products.models import MatchBy


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
