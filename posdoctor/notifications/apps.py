"""One person hears of one thing by one channel: deliveries, their channels and pages."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "posdoctor.notifications"
    label = "notifications"
