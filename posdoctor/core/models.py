"""Tables of the kernel: signs of life, counts, door counters, answers kept for repeats."""

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


class IdempotencyKey(models.Model):
    """The answer to one write of the API, given again to a repeat of the request for a day."""

    # The person and provider as one text: the kernel knows neither.
    caller = models.CharField(max_length=40)
    provider_id = models.BigIntegerField(null=True)
    key = models.CharField(max_length=200)
    method = models.CharField(max_length=7)
    path = models.CharField(max_length=200)
    # SHA-256 of the request: another request must not get this one's answer.
    digest = models.CharField(max_length=64)
    # 0 inside the transaction of the first request only.
    status = models.PositiveSmallIntegerField(default=0)
    body = models.BinaryField(default=bytes)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Two requests with one key take turns here.
            models.UniqueConstraint(fields=["caller", "key"], name="core_idempotency_once"),
        ]
        indexes = [models.Index(fields=["created_at"], name="core_idempotency_purge")]

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {self.status}"
