"""How often articles are read."""

from django.db import models
from django.utils import timezone

from shared_apps.tenants.keys import uuid7
from tenant_apps.articles.models.articles import Article


class DailyViews(models.Model):
    """How often an article was opened on one day by the workspace's clock, by people who can't change
    it."""

    article = models.ForeignKey(
        Article, on_delete=models.CASCADE, related_name="daily_views", db_index=False
    )
    day = models.DateField()
    views = models.PositiveBigIntegerField()

    class Meta:
        verbose_name_plural = "daily views"
        ordering = ["-day", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["article", "day"], name="articles_dailyviews_day")
        ]
        indexes = [models.Index(fields=["day"], name="articles_dailyviews_by_day")]

    def __str__(self) -> str:
        return f"{self.views} on {self.day}"


class ViewBatch(models.Model):
    """A handful of counts that was written down: the same one is never added twice."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    written_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "view batches"
        ordering = ["-written_at"]

    def __str__(self) -> str:
        return str(self.id)


class PopularArticle(models.Model):
    """The articles that were opened most in the last weeks, as they stood when counts were written
    down last."""

    article = models.OneToOneField(Article, on_delete=models.CASCADE, related_name="popular")
    place = models.PositiveSmallIntegerField()
    views = models.PositiveBigIntegerField()

    class Meta:
        ordering = ["place"]

    def __str__(self) -> str:
        return f"{self.place}. {self.article_id}"
