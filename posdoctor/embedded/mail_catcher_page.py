"""The page of the mails that the local stack caught: a list, and each one as text. Read-only."""

import re
from collections.abc import Iterator
from email.message import EmailMessage
from functools import partial
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

from posdoctor.embedded.mail_catcher_box import Kept, Mails
from posdoctor.embedded.ports import LOOPBACK

SHOWN = 100
HEADERS = {
    # SECURITY: mails are foreign text. Nothing in one runs, loads or is sent anywhere.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STYLE = """
:root { color-scheme: light dark; }
body { max-width: 860px; margin: 0 auto; padding: 16px; font: 15px/1.6 system-ui, sans-serif; }
h1 { font-size: 20px; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; }
td { padding: 6px 10px 6px 0; border-bottom: 1px solid #8885; vertical-align: top; overflow-wrap: anywhere; }
td:last-child { white-space: nowrap; }
dt { float: left; clear: left; width: 90px; opacity: .7; }
dd { margin-left: 90px; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; padding: 14px; border: 1px solid #8885; border-radius: 8px; }
"""  # noqa: E501 - a style sheet
_LINK = re.compile(r"https?://[^\s<>\"']+")


def server(mails: Mails, port: int) -> ThreadingHTTPServer:
    """A server on the loopback; port 0 takes any free one. Raises OSError where it is taken."""
    return ThreadingHTTPServer((LOOPBACK, port), partial(_Page, mails))


class _Page(BaseHTTPRequestHandler):
    server_version = "posdoctor-mails"
    sys_version = ""
    timeout = 10

    def __init__(self, mails: Mails, *arguments: object) -> None:
        self._mails = mails
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:  # the name is the base class's
        """`/` is the list, `/mail/<key>` one mail."""
        if not self._is_asked_for_by_name():
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, "<h1>Not this host</h1>")
        elif self.path == "/":
            self._answer(HTTPStatus.OK, "".join(_list(self._mails.newest(SHOWN))))
        elif self.path == "/style.css":
            self._send(HTTPStatus.OK, "text/css", STYLE)
        else:
            kept = self._mails.get(unquote(self.path.removeprefix("/mail/")))
            if kept is None:
                self._answer(HTTPStatus.NOT_FOUND, "<h1>No such mail</h1><a href='/'>All mails</a>")
            else:
                self._answer(HTTPStatus.OK, "".join(_one(kept.message)))

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_arguments: object) -> None:
        """Says nothing: requests are not news."""

    def _is_asked_for_by_name(self) -> bool:
        """SECURITY: a foreign page that points its own name at the loopback gets nothing."""
        name = re.sub(r":\d+$", "", self.headers.get("Host", ""))
        return name in {LOOPBACK, "localhost"}

    def _answer(self, status: HTTPStatus, body: str) -> None:
        page = (
            "<!doctype html><html lang='en'><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width'><title>Mails</title>"
            f"<link rel='stylesheet' href='/style.css'><body>{body}</body></html>"
        )
        self._send(status, "text/html", page)

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        content = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _list(found: list[Kept]) -> Iterator[str]:
    yield "<h1>Mails caught on this machine</h1>"
    if not found:
        yield "<p>None yet. Whatever this installation mails stays here; nothing leaves.</p>"
        return
    yield "<table>"
    for kept in found:
        subject = _header(kept.message, "Subject") or "(no subject)"
        yield (
            f"<tr><td><a href='/mail/{quote(kept.key)}'>{escape(subject)}</a></td>"
            f"<td>{escape(_header(kept.message, 'To'))}</td>"
            f"<td>{escape(_header(kept.message, 'Date'))}</td></tr>"
        )
    yield "</table>"


def _one(message: EmailMessage) -> Iterator[str]:
    yield f"<p><a href='/'>All mails</a></p><h1>{escape(_header(message, 'Subject'))}</h1><dl>"
    for name in ("From", "To", "Delivered-To", "Date", "Message-ID"):
        yield f"<dt>{name}</dt><dd>{escape(_header(message, name))}</dd>"
    yield f"</dl><pre>{_linked(_text(message))}</pre>"


def _header(message: EmailMessage, name: str) -> str:
    """A header as text. What no parser understands is shown as nothing, not as an error."""
    try:
        return " ".join(str(message.get(name, "")).split())
    except (ValueError, IndexError, AttributeError, TypeError):
        return ""


def _text(message: EmailMessage) -> str:
    """The text part, else the HTML part as its source."""
    try:
        part = message.get_body(preferencelist=("plain", "html"))
        return str(part.get_content()) if part is not None else ""
    except (LookupError, ValueError, AttributeError, TypeError):
        return "(this mail cannot be read)"


def _linked(text: str) -> str:
    """Escaped text in which http addresses can be clicked."""
    parts, last = [], 0
    for match in _LINK.finditer(text):
        address = escape(match[0], quote=True)
        parts += [escape(text[last : match.start()])]
        parts += [f"<a href='{address}' rel='noreferrer'>{address}</a>"]
        last = match.end()
    return "".join([*parts, escape(text[last:])])
