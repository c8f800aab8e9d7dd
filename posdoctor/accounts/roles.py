"""The roles a person can have. Pure."""

from django.db import models
from django.utils.translation import pgettext_lazy


class Role(models.TextChoices):
    """What a person is inside one provider; the last three are never stored in a Seat."""

    DESK = "desk", pgettext_lazy("role", "Desk")
    FIELD = "field", pgettext_lazy("role", "Field engineer")
    SUPERVISOR = "supervisor", pgettext_lazy("role", "Supervisor")
    ADMINISTRATOR = "administrator", pgettext_lazy("role", "Administrator")
    MERCHANT = "merchant", pgettext_lazy("role", "Merchant")
    OPERATOR = "operator", pgettext_lazy("role", "Platform operator")
    # Holds a status link or the browser cookie that filed a report; nobody signed in.
    REPORTER = "reporter", pgettext_lazy("role", "Reporter")
    SYSTEM = "system", pgettext_lazy("role", "System")


SEAT_ROLES = (Role.DESK, Role.FIELD, Role.SUPERVISOR, Role.ADMINISTRATOR)
# Who sees every row of the own provider.
STAFF_ROLES = frozenset({Role.DESK, Role.SUPERVISOR, Role.ADMINISTRATOR})
