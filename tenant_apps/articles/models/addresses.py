"""Where articles were found before."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from tenant_apps.articles.models.articles import SLUG_LENGTH, Article


class OldAddress(models.Model):
    """A slug that an article had when it was published, and has no more: it leads to the article, under
    whatever slug that stands now, until somebody gives it up."""

    article = models.ForeignKey(Article, on_delete=models.CASCADE, related_name="old_addresses")
    slug = models.CharField(max_length=SLUG_LENGTH)
    replaced_at = models.DateTimeField("since", default=timezone.now)
    replaced_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )

    class Meta:
        verbose_name = "old address"
        verbose_name_plural = "old addresses"
        ordering = ["-replaced_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["slug"], name="articles_oldaddress_slug"),
        ]

    def __str__(self) -> str:
        return self.slug
