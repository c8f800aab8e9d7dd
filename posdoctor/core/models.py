"""Tables of the kernel: signs of life, counts for /metrics, door counters."""

from django.db import models


class Heartbeat(models.Model):
    """The last sign of life of a process kind; `/readyz` reads it."""

    name = models.CharField(primary_key=True, max_length=40)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.beat_at:%H:%M:%S}"


class Counter(models.Model):
    """What tickers counted since the installation began; `/metrics` shows it.

    `bound` is empty for a plain sum, else the upper end of one bucket of a histogram.
    """

    name = models.CharField(max_length=60)
    label = models.CharField(max_length=120)
    bound = models.CharField(max_length=10)
    value = models.FloatField(default=0)

    class Meta:
        constraints = [
            # Tickers add to the same row at once: one upsert each, and no count is lost.
            models.UniqueConstraint(fields=["name", "label", "bound"], name="core_counter_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.label} {self.bound}: {self.value}"


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
