"""Addresses of the API: one's own notices, deliveries for leads."""

from django.urls import path

from posdoctor.notifications.api import views

urlpatterns = [
    path("notices/", views.Notices.as_view(), name="notices"),
    path("notices/unread/", views.UnreadNotices.as_view(), name="notices_unread"),
    path("notices/read/", views.ReadNotices.as_view(), name="notices_read"),
    path("deliveries/", views.Deliveries.as_view(), name="deliveries"),
    path("deliveries/totals/", views.Totals.as_view(), name="deliveries_totals"),
    path("deliveries/<uuid:key>/retry/", views.Retry.as_view(), name="delivery_retry"),
]
