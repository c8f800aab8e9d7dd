"""The one source of `now`: the database's clock, read once per request or task."""

from datetime import datetime

from django.db import connection


def now() -> datetime:
    """The database's wall clock, with time zone (UTC).

    Web, worker and ticker run on machines whose clocks differ; every moment that is
    compared with a stored one comes from the place where it is stored.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (moment,) = cursor.fetchone()
    return moment  # type: ignore[no-any-return]
