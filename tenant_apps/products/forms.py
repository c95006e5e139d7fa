from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile


class ImportForm(forms.Form):
    """A file of products, and how it is to be taken."""

    file = forms.FileField(
        label="CSV file",
        help_text="Shopify's product export, or a file with the same columns. "
        "At most 50 MB, in UTF-8.",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        allow_empty_file=True,
        error_messages={"required": "Choose a CSV file."},
    )
    skips_faulty = forms.BooleanField(
        required=False,
        label="Import what is right and leave out what is faulty",
        help_text="Otherwise nothing is imported until the whole file is right.",
    )

    def uploaded(self) -> "UploadedFile[Any]":
        file: UploadedFile[Any] = self.cleaned_data["file"]
        return file
