"""`{% picture step.picture form %}`: the drawing of a step, with its mark, drawn into the page.

Drawn into the page and not linked, so that it follows the reader's light or dark theme, costs
no request and its mark can be placed over it.
"""

from functools import lru_cache
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from diagnostics import pictures
from diagnostics.flow import Picture
from diagnostics.models import reader_language

register = template.Library()


@register.inclusion_tag("diagnostics/_picture.html")
def picture(shown: Picture | None, form: str = "") -> dict[str, Any]:
    """The figure; empty without a picture or where its name is not known (any more).

    `form` is a form of the terminal catalogue: some drawings have a variation for it.
    """
    found = pictures.drawing(shown.name) if shown else None
    if found is None or shown is None:
        return {"drawing": None}
    found = found.of_form(form)
    spot = found.spots.get(shown.mark)
    return {"drawing": _drawing(found.file), "alt": _alt(found, spot), "spot": spot}


def _alt(found: pictures.Drawing, spot: pictures.Spot | None) -> str:
    """What is drawn and what is marked, for people who do not see it."""
    language = reader_language()
    shows = found.shows[language]
    if spot is None:
        return shows
    return _("%(shows)s Marked in red: %(spot)s.") % {"shows": shows, "spot": spot.says[language]}


@lru_cache(maxsize=256)
def _drawing(file: str) -> SafeString:
    """The file's <svg>, on one line."""
    return SafeString(render_to_string(f"diagnostics/pictures/{file}.svg").replace("\n", ""))
