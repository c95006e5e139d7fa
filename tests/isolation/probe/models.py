"""Rows to plant: a reference, a many-to-many and a text are enough to lose something."""

from django.db import models


class Tag(models.Model):
    """A word."""

    word = models.CharField(max_length=40, unique=True)

    def __str__(self) -> str:
        return self.word


class Note(models.Model):
    """A text that says whose it is."""

    text = models.TextField()
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="replies"
    )
    tags = models.ManyToManyField(Tag, related_name="notes")

    def __str__(self) -> str:
        return self.text
