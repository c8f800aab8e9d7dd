"""The browser's own signed cookie: whose walk and whose report this is, without a sign-in."""

import hashlib
import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

COOKIE = "pd_browser"
PROOFS = "pd_proofs"
PHONE = "pd_phone"
MAX_AGE = 180 * 24 * 3600
_SALT = "posdoctor.browser"
_MAX_PROOFS = 12


def key_of(request: HttpRequest) -> str:
    """Digest of the browser's id as stored with runs; empty without a genuine cookie."""
    browser_id = _read(request, COOKIE)
    return _digest(browser_id) if browser_id else ""


def ensure(request: HttpRequest) -> tuple[str, str]:
    """(key, cookie value): the browser's key, and the value that `remember` sets."""
    browser_id = _read(request, COOKIE) or secrets.token_urlsafe(18)
    return _digest(browser_id), browser_id


def remember(response: HttpResponse, browser_id: str) -> None:
    """Sets the cookie that makes later requests this browser's own."""
    _write(response, COOKIE, browser_id)


def proven(request: HttpRequest, token: str) -> bool:
    """Whether this browser showed the proof (last four of the phone) for a status link."""
    return _digest(token)[:16] in _read(request, PROOFS).split(",")


def remember_proof(request: HttpRequest, response: HttpResponse, token: str) -> None:
    """Keeps that the proof was shown; the newest dozen."""
    kept = [proof for proof in _read(request, PROOFS).split(",") if proof]
    proof = _digest(token)[:16]
    if proof not in kept:
        kept.append(proof)
    _write(response, PROOFS, ",".join(kept[-_MAX_PROOFS:]))


def phone_of(request: HttpRequest) -> str:
    """The number that was typed in this browser before; never one from the database."""
    return _read(request, PHONE)


def remember_phone(response: HttpResponse, phone: str) -> None:
    """Keeps the number for the next report from this browser (signed, HttpOnly)."""
    _write(response, PHONE, phone)


def _digest(text: str) -> str:
    return hashlib.sha256(f"{_SALT}:{text}".encode()).hexdigest()


def _read(request: HttpRequest, name: str) -> str:
    try:
        value = signing.loads(
            request.COOKIES.get(name, ""), salt=f"{_SALT}.{name}", max_age=MAX_AGE
        )
    except signing.BadSignature:
        return ""
    return value if isinstance(value, str) else ""


def _write(response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(
        name,
        signing.dumps(value, salt=f"{_SALT}.{name}"),
        max_age=MAX_AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
