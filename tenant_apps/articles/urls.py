from django.urls import path, re_path
from django.urls.converters import UUIDConverter

from tenant_apps.articles.views import (
    comments,
    desk,
    history,
    moving_in,
    pictures,
    reading,
    sharing,
    subscriptions,
)

app_name = "articles"
urlpatterns = [
    path("subscription/", subscriptions.subscribe, name="subscribe"),
    path("subscription/<str:token>/confirm/", subscriptions.confirm, name="confirm-subscription"),
    path("subscription/<str:token>/leave/", subscriptions.leave, name="leave-subscription"),
    path("sitemap-articles.xml", sharing.sitemap, name="sitemap"),
    # No slug has a point in it.
    path("articles/feed.rss", sharing.rss_feed, name="feed-rss"),
    path("articles/feed.atom", sharing.atom_feed, name="feed-atom"),
    path("articles/", reading.article_list, name="list"),
    path("articles/category/", reading.categories, name="categories"),
    path("articles/category/<str:slug>/", reading.category, name="category"),
    path("articles/tag/<str:slug>/", reading.tag, name="tag"),
    path("articles/<str:slug>/", reading.article, name="article"),
    path("articles/<str:slug>/comments/", comments.send, name="comment"),
    path("desk/comments/", comments.queue, name="comments"),
    path("desk/comments/<uuid:pk>/remove/", comments.remove, name="remove-comment"),
    re_path(
        rf"^desk/comments/(?P<pk>{UUIDConverter.regex})/(?P<name>approve|reject)/$",
        comments.moderate,
        name="moderate",
    ),
    path("desk/", desk.desk, name="desk"),
    path("desk/move-in/", moving_in.move_in, name="move-in"),
    path("desk/move-in/<uuid:pk>/", moving_in.move, name="move"),
    path("desk/move-in/<uuid:pk>/take/", moving_in.take, name="take-move"),
    path("desk/move-in/<uuid:pk>/left-out.csv", moving_in.left_out, name="left-out"),
    path("desk/new/", desk.write, name="write"),
    path("desk/preview/", desk.preview, name="preview"),
    path("desk/words/", history.keep_new_words, name="keep-new-words"),
    path("desk/words/drop/", history.drop_new_words, name="drop-new-words"),
    path("desk/pictures/", pictures.add, name="add-picture"),
    path("desk/pictures/<uuid:pk>/", pictures.show, name="picture"),
    path("desk/<uuid:pk>/cover/", pictures.set_cover, name="set-cover"),
    path("desk/<uuid:pk>/cover/remove/", pictures.remove_cover, name="remove-cover"),
    path("desk/<uuid:pk>/", desk.edit, name="edit"),
    path("desk/<uuid:pk>/schedule/", desk.schedule, name="schedule"),
    path("desk/<uuid:pk>/delete/", desk.delete, name="delete"),
    path("desk/<uuid:pk>/words/", history.keep_words, name="keep-words"),
    path("desk/<uuid:pk>/words/drop/", history.drop_words, name="drop-words"),
    path("desk/<uuid:pk>/merge/", history.merge, name="merge"),
    path("desk/<uuid:pk>/history/", history.history, name="history"),
    path("desk/<uuid:pk>/history/<int:number>/", history.revision, name="revision"),
    path("desk/<uuid:pk>/history/<int:number>/restore/", history.restore, name="restore"),
    re_path(
        rf"^desk/(?P<pk>{UUIDConverter.regex})/(?P<name>submit|publish|unpublish|archive)/$",
        desk.step,
        name="step",
    ),
]
