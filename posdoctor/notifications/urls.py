"""Addresses of a person's notices, and of what leads see of deliveries."""

from django.urls import path

from posdoctor.notifications import views

app_name = "notifications"
urlpatterns = [
    path("desk/notices/", views.notices, name="notices"),
    path("desk/notices/bell", views.bell, name="bell"),
    path("desk/notices/read", views.read_all, name="read_all"),
    path("desk/notices/seen", views.seen, name="seen"),
    path("desk/notices/<uuid:key>/open", views.open_notice, name="open"),
    path("ops/deliveries/", views.deliveries, name="deliveries"),
    path("ops/deliveries/<uuid:key>/retry", views.retry, name="retry"),
]
