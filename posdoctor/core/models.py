"""Tables of the kernel: signs of life and door counters."""

from django.db import models


class Heartbeat(models.Model):
    """The last sign of life of a process kind; `/readyz` reads it."""

    name = models.CharField(primary_key=True, max_length=40)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.beat_at:%H:%M:%S}"


class DoorCount(models.Model):
    """Tries at one door (a sticker code, a track link, an address) in one window of time."""

    key = models.CharField(max_length=160)
    window_start = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            # The counter is one upsert; without this two parallel guesses count once.
            models.UniqueConstraint(fields=["key", "window_start"], name="core_doorcount_once"),
        ]
        indexes = [models.Index(fields=["window_start"], name="core_doorcount_purge")]

    def __str__(self) -> str:
        return f"{self.key}: {self.tries}"
