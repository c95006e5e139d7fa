"""What the specimen's migrations come to."""

from uuid import uuid4

from django.db import models


class Shelf(models.Model):
    """A shelf."""

    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Label(models.Model):
    """A word on a book."""

    word = models.CharField(max_length=30, unique=True)

    class Meta:
        db_table = "specimen_tag"

    def __str__(self) -> str:
        return self.word


class Volume(models.Model):
    """A book, before 0009."""

    heading = models.CharField(max_length=200)
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE)
    pages = models.BigIntegerField(default=1)
    year = models.IntegerField(default=1900, db_index=True)
    ticket = models.UUIDField(default=uuid4)
    note = models.TextField(default="", blank=True)
    labels = models.ManyToManyField(Label)

    class Meta:
        indexes = [models.Index(fields=["year", "pages"], name="specimen_year_pages")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(pages__gte=0), name="specimen_pages_not_negative"
            ),
            models.UniqueConstraint(fields=["shelf", "heading"], name="specimen_once_a_shelf"),
        ]

    def __str__(self) -> str:
        return self.heading
