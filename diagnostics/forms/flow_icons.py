"""The icons that authors choose from, in words: those of the flows that ship with the product."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from diagnostics.forms.flow_words import FIELDS, Word

# Things that look alike or belong together stand side by side.
ICONS: Mapping[str, Word] = {
    "search": pgettext_lazy("icon", "Magnifier"),
    "scan-search": pgettext_lazy("icon", "Magnifier in a frame"),
    "scan-eye": pgettext_lazy("icon", "Eye in a frame"),
    "wrench": pgettext_lazy("icon", "Wrench"),
    "settings": pgettext_lazy("icon", "Gear"),
    "list-checks": pgettext_lazy("icon", "List with ticks"),
    "hand": pgettext_lazy("icon", "Hand"),
    "pointer": pgettext_lazy("icon", "Finger that taps"),
    "pointer-off": pgettext_lazy("icon", "Finger, crossed out"),
    "sparkles": pgettext_lazy("icon", "Sparkles"),
    "brush-cleaning": pgettext_lazy("icon", "Brush"),
    "scissors": pgettext_lazy("icon", "Scissors"),
    "magnet": pgettext_lazy("icon", "Magnet"),
    "package": pgettext_lazy("icon", "Parcel"),
    "package-x": pgettext_lazy("icon", "Parcel with a cross"),
    "archive": pgettext_lazy("icon", "Box"),
    "flag": pgettext_lazy("icon", "Flag"),
    "scale": pgettext_lazy("icon", "Scales"),
    "power": pgettext_lazy("icon", "Power button"),
    "plug": pgettext_lazy("icon", "Plug"),
    "plug-zap": pgettext_lazy("icon", "Plug with a flash"),
    "unplug": pgettext_lazy("icon", "Plug pulled out"),
    "battery": pgettext_lazy("icon", "Battery"),
    "battery-low": pgettext_lazy("icon", "Battery low"),
    "battery-charging": pgettext_lazy("icon", "Battery charging"),
    "zap": pgettext_lazy("icon", "Flash"),
    "zap-off": pgettext_lazy("icon", "Flash, crossed out"),
    "refresh-cw": pgettext_lazy("icon", "Arrows in a circle"),
    "refresh-ccw": pgettext_lazy("icon", "Arrows in a circle, backwards"),
    "history": pgettext_lazy("icon", "Clock turned back"),
    "clock-alert": pgettext_lazy("icon", "Clock with a warning"),
    "calendar-clock": pgettext_lazy("icon", "Calendar with a clock"),
    "calendar-x": pgettext_lazy("icon", "Calendar with a cross"),
    "moon": pgettext_lazy("icon", "Moon"),
    "sunrise": pgettext_lazy("icon", "Sunrise"),
    "sun-dim": pgettext_lazy("icon", "Sun, dim"),
    "thermometer-sun": pgettext_lazy("icon", "Thermometer, hot"),
    "thermometer-snowflake": pgettext_lazy("icon", "Thermometer, cold"),
    "flame": pgettext_lazy("icon", "Flame"),
    "droplets": pgettext_lazy("icon", "Drops"),
    "wifi": pgettext_lazy("icon", "Wi-Fi"),
    "wifi-off": pgettext_lazy("icon", "Wi-Fi, crossed out"),
    "wifi-sync": pgettext_lazy("icon", "Wi-Fi with arrows"),
    "signal": pgettext_lazy("icon", "Signal bars"),
    "signal-high": pgettext_lazy("icon", "Signal bars, high"),
    "signal-low": pgettext_lazy("icon", "Signal bars, low"),
    "bluetooth-searching": pgettext_lazy("icon", "Bluetooth searching"),
    "bluetooth-off": pgettext_lazy("icon", "Bluetooth, crossed out"),
    "card-sim": pgettext_lazy("icon", "SIM card"),
    "ethernet-port": pgettext_lazy("icon", "Network socket"),
    "network": pgettext_lazy("icon", "Network"),
    "router": pgettext_lazy("icon", "Router"),
    "link": pgettext_lazy("icon", "Chain links"),
    "globe-lock": pgettext_lazy("icon", "Globe with a lock"),
    "server-off": pgettext_lazy("icon", "Server, crossed out"),
    "server-crash": pgettext_lazy("icon", "Server with a crack"),
    "cloud-off": pgettext_lazy("icon", "Cloud, crossed out"),
    "cloud-download": pgettext_lazy("icon", "Cloud, arrow down"),
    "cloud-upload": pgettext_lazy("icon", "Cloud, arrow up"),
    "download": pgettext_lazy("icon", "Arrow down"),
    "map": pgettext_lazy("icon", "Map"),
    "map-pin": pgettext_lazy("icon", "Pin on a map"),
    "printer": pgettext_lazy("icon", "Printer"),
    "printer-check": pgettext_lazy("icon", "Printer with a tick"),
    "printer-x": pgettext_lazy("icon", "Printer with a cross"),
    "panel-top": pgettext_lazy("icon", "Lid"),
    "panel-top-open": pgettext_lazy("icon", "Lid open"),
    "panel-top-close": pgettext_lazy("icon", "Lid closed"),
    "scroll-text": pgettext_lazy("icon", "Paper roll"),
    "receipt-text": pgettext_lazy("icon", "Slip"),
    "receipt": pgettext_lazy("icon", "Slip"),
    "file-x": pgettext_lazy("icon", "Sheet with a cross"),
    "layers": pgettext_lazy("icon", "Layers"),
    "layers-2": pgettext_lazy("icon", "Two layers"),
    "credit-card": pgettext_lazy("icon", "Card"),
    "wallet-cards": pgettext_lazy("icon", "Several cards"),
    "nfc": pgettext_lazy("icon", "Tap to pay"),
    "qr-code": pgettext_lazy("icon", "QR code"),
    "scan-qr-code": pgettext_lazy("icon", "QR code in a frame"),
    "scan-barcode": pgettext_lazy("icon", "Bar code in a frame"),
    "wallet": pgettext_lazy("icon", "Wallet"),
    "banknote": pgettext_lazy("icon", "Banknote"),
    "banknote-x": pgettext_lazy("icon", "Banknote with a cross"),
    "hash": pgettext_lazy("icon", "Number sign"),
    "smartphone": pgettext_lazy("icon", "Phone"),
    "app-window": pgettext_lazy("icon", "Window of a program"),
    "monitor-x": pgettext_lazy("icon", "Screen with a cross"),
    "keyboard": pgettext_lazy("icon", "Keys"),
    "keyboard-off": pgettext_lazy("icon", "Keys, crossed out"),
    "volume-2": pgettext_lazy("icon", "Loudspeaker"),
    "hard-drive": pgettext_lazy("icon", "Storage"),
    "message-square-warning": pgettext_lazy("icon", "Message with a warning"),
    "log-in": pgettext_lazy("icon", "Door, going in"),
    "user-key": pgettext_lazy("icon", "Person with a key"),
    "user-x": pgettext_lazy("icon", "Person with a cross"),
    "key": pgettext_lazy("icon", "Key"),
    "key-round": pgettext_lazy("icon", "Round key"),
    "lock": pgettext_lazy("icon", "Lock"),
    "brick-wall-shield": pgettext_lazy("icon", "Wall with a shield"),
    "shield-alert": pgettext_lazy("icon", "Shield with a warning"),
    "shield-question-mark": pgettext_lazy("icon", "Shield with a question"),
    "shield-x": pgettext_lazy("icon", "Shield with a cross"),
    "shield-ban": pgettext_lazy("icon", "Shield, crossed out"),
    "circle-check": pgettext_lazy("icon", "Tick"),
    "circle-x": pgettext_lazy("icon", "Cross"),
    "circle-slash": pgettext_lazy("icon", "Circle, crossed out"),
    "circle-stop": pgettext_lazy("icon", "Stop button"),
    "circle-question-mark": pgettext_lazy("icon", "Question mark"),
    "ban": pgettext_lazy("icon", "Forbidden"),
}
# Drawn as another one of the list (see `core.templatetags.pd`): shown only where it is chosen.
TWINS = frozenset({"receipt"})
# What the answers of the shipped flows use.
ANSWER_ICONS = (
    "circle-check", "circle-x", "circle-slash", "circle-stop", "circle-question-mark", "flame",
    "droplets", "lock", "shield-x", "zap", "zap-off", "sun-dim", "wifi-off", "signal-high",
    "cloud-off", "server-crash", "credit-card", "wallet-cards", "nfc", "qr-code", "scan-eye",
    "hash", "key", "key-round", "user-x", "keyboard", "keyboard-off", "calendar-x", "clock-alert",
    "printer-check", "panel-top", "layers", "layers-2", "archive",
)  # fmt: skip
NO_ICON = "circle-dashed"
UNKNOWN_ICON = "circle-question-mark"


class IconSelect(forms.RadioSelect):
    """Icons to choose one from; each choice also says what is `drawn` for it."""

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As radio buttons have it, and the icon to draw."""
        option = super().create_option(name, value, *args, **kwargs)
        return {**option, "drawn": drawn(str(value))}


def drawn(name: str) -> str:
    """What is drawn for an icon of a document: names that a file brought may be none at all."""
    return (name if name in ICONS else UNKNOWN_ICON) if name else NO_ICON


def icon_words(name: str) -> str:
    """What the icon shows; the name itself where it is not ours."""
    return str(ICONS.get(name, name)) if name else _("None")


def step_icon(now: str) -> forms.ChoiceField:
    """The icon of a step; one that is not in the list stays as it is until another is chosen."""
    names = [name for name in ICONS if name not in TWINS]
    extra = [] if now in names else [(now, icon_words(now))]
    return _icons([*extra, *((name, ICONS[name]) for name in names)], is_needed=bool(now))


def answer_icon(now: str) -> forms.ChoiceField:
    """The icon of an answer; without one the merchant sees that of its sign."""
    extra = [] if now in {"", *ANSWER_ICONS} else [(now, icon_words(now))]
    own = [(name, ICONS[name]) for name in ANSWER_ICONS]
    return _icons([("", pgettext("icon", "By its sign")), *extra, *own], is_needed=False)


def _icons(choices: Iterable[tuple[str, Any]], *, is_needed: bool) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=str(FIELDS["icon"]),
        choices=list(choices),
        required=is_needed,
        error_messages={"required": gettext_lazy("Choose an icon")},
        widget=IconSelect,
    )
