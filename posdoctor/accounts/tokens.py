"""What an API token looks like. Pure."""

import hashlib
import secrets

# Lets a scanner of source code tell that this is a secret of ours.
PREFIX = "pdt_"


def new_secret() -> str:
    """`pdt_` and 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """What is kept of it."""
    return hashlib.sha256(secret.encode()).hexdigest()
