"""Settings of the test run: production's, with what a test needs changed."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("SECRET_KEY", "only-for-tests-7Yq2Zr8Wm4Ks6Tn1Vb3Xc5Lp9Jh0Gf")
os.environ.setdefault("POSDOCTOR_LOCAL", "true")

from posdoctor.settings import *  # noqa: F403

# Each process of a shared run has keys of its own in Redis, as it has a database of its own.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
if _worker:
    REDIS_URL = f"{REDIS_URL.rpartition('/')[0]}/{_worker}"  # noqa: F405

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MEDIA_ROOT = Path(tempfile.mkdtemp(prefix="posdoctor-test-media-"))
# A wake-up ends in a queue of this process that nobody reads; sweeps are called by tests.
CELERY_BROKER_URL = "memory://"
STRICT_ICONS = True
PUBLIC_URL = "http://127.0.0.1:8000"
DIRECT_EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Chance has no part in a test: those of the authored order ask for it.
DIAGNOSIS_HELD_BACK = 0

# What a process keeps for a minute would outlive the rows of a test.
CACHES["process"] = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}  # noqa: F405
