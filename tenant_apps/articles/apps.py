from django.apps import AppConfig


class ArticlesConfig(AppConfig):
    name = "tenant_apps.articles"
    verbose_name = "Articles"

    def ready(self) -> None:
        from django.contrib.postgres.lookups import TrigramSimilar
        from django.db.models import CharField

        from shared_apps.tenants.registry import (
            CloneRules,
            register_clone_rules,
            register_exporter,
            register_usage_counter,
        )
        from tenant_apps.activity.event_types import register_event_types
        from tenant_apps.activity.notification_kinds import Kind, register_kinds
        from tenant_apps.api.problems import register_refusal
        from tenant_apps.articles import events, exporting, selectors
        from tenant_apps.articles.errors import ArticleError
        from tenant_apps.users.permissions import (
            ADMIN,
            AUTHOR,
            EDITOR,
            Permission,
            register_permissions,
        )

        # Django registers it in django.contrib.postgres, whose app asks each connection for types.
        CharField.register_lookup(TrigramSimilar)
        editors = (ADMIN, EDITOR)
        writers = (ADMIN, EDITOR, AUTHOR)
        register_permissions(
            Permission("articles.add_article", "Write articles", roles=writers),
            Permission("articles.change_own_article", "Change one's own articles", roles=writers),
            Permission("articles.publish_own_article", "Publish one's own articles", roles=writers),
            Permission(
                "articles.change_article", "Read and change everybody's articles", roles=editors
            ),
            Permission("articles.publish_article", "Publish everybody's articles", roles=editors),
            Permission("articles.delete_article", "Delete articles", roles=editors),
            Permission("articles.moderate_comments", "Moderate comments", roles=editors),
            Permission("articles.manage_subscribers", "See and remove subscribers", roles=(ADMIN,)),
            Permission("articles.manage_categories", "Arrange categories and tags", roles=editors),
        )
        register_event_types(*events.EVENT_TYPES)
        register_kinds(
            Kind("comment_waiting", "A comment waits for you", "articles.moderate_comments"),
            Kind(
                "article_submitted", "An article waits for your review", "articles.publish_article"
            ),
            Kind("article_published", "Somebody published your article", "articles.add_article"),
            Kind("article_returned", "Somebody returned your article", "articles.add_article"),
            Kind("move_ended", "Your moving in has ended", "articles.add_article"),
        )
        register_refusal(ArticleError)
        register_usage_counter("articles", selectors.count_articles)
        # A copy of a workspace writes to nobody, and holds nobody's unsaved words.
        register_clone_rules(
            "articles",
            CloneRules(
                never=[
                    *("articles_subscriber", "articles_announcement", "articles_delivery"),
                    "articles_keptwords",
                ]
            ),
        )
        register_exporter("articles", exporting.export_rows)
