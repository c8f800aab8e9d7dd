"""Which language a page is in: `?lang=` sets it, a cookie keeps it, then the person's own."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

_KNOWN = dict(settings.LANGUAGES)


class LanguageMiddleware:
    """Order: `?lang=`, cookie, Accept-Language on the first visit, Chinese."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = request.GET.get("lang", "")
        chosen = asked_language(request) or settings.LANGUAGE_CODE
        translation.activate(chosen)
        request.LANGUAGE_CODE = chosen
        response = self.get_response(request)
        response.headers.setdefault("Content-Language", chosen)
        if asked in _KNOWN:
            response.set_cookie(
                settings.LANGUAGE_COOKIE_NAME,
                asked,
                max_age=settings.LANGUAGE_COOKIE_AGE,
                samesite="Lax",
                secure=settings.LANGUAGE_COOKIE_SECURE,
                httponly=True,
            )
        return response


def asked_language(request: HttpRequest) -> str | None:
    """What the request itself asks for: `?lang=`, cookie, Accept-Language; None where nothing."""
    asked = request.GET.get("lang", "")
    return asked if asked in _KNOWN else _from_cookie(request) or _from_browser(request)


def _from_cookie(request: HttpRequest) -> str | None:
    kept = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    return kept if kept in _KNOWN else None


def _from_browser(request: HttpRequest) -> str | None:
    """The first language of the browser that is ours."""
    header = request.headers.get("Accept-Language", "")[:200].lower()
    for part in header.split(","):
        language = part.split(";")[0].strip()
        if language.startswith("zh"):
            return "zh-hans"
        if language.startswith("en"):
            return "en"
    return None
