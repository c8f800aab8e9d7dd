"""The local stack's mail server and its page: keeps everything, sends nothing, trusts nothing."""

import http.client
import smtplib
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from posdoctor.embedded import mail_catcher, ports
from posdoctor.embedded.mail_catcher import MailCatcher
from posdoctor.embedded.mail_catcher_box import Mails
from posdoctor.embedded.mail_catcher_page import server


@pytest.fixture
def mails(tmp_path: Path) -> Mails:
    return Mails(tmp_path / "mails", most=3)


@pytest.fixture
def smtp_port(mails: Mails) -> Iterator[int]:
    port = ports.throwaway()
    catcher = MailCatcher(mails, port)
    catcher.start()
    yield port
    catcher.stop()


@pytest.fixture
def page_port(mails: Mails) -> Iterator[int]:
    with server(mails, 0) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield listening.server_address[1]
        listening.shutdown()
        thread.join(10)


def letter(subject: str = "访问服务台", body: str = "您好", subtype: str = "plain") -> EmailMessage:
    made = EmailMessage()
    made["Subject"], made["From"] = subject, "POSDoctor <no-reply@localhost>"
    made["To"] = "zhou.min@posdoctor.example"
    made.set_content(body, subtype=subtype)
    return made


def send(port: int, *letters: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        for one in letters:
            client.send_message(one, to_addrs=["zhou.min@posdoctor.example"])


def ask(
    port: int, path: str = "/", host: str = "127.0.0.1", method: str = "GET"
) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Host": f"{host}:{port}" if host else ""})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def test_a_mail_that_was_sent_can_be_read(smtp_port: int, page_port: int, mails: Mails):
    send(smtp_port, letter(body="您的链接 http://127.0.0.1:8000/account/reset/a-b/?x=1&y=2 有效"))
    _answer, index = ask(page_port)
    assert "访问服务台" in index
    (key,) = mails.names()
    assert f"/mail/{key}" in index
    _answer, page = ask(page_port, f"/mail/{key}")
    assert "zhou.min@posdoctor.example" in page
    assert (
        "<a href='http://127.0.0.1:8000/account/reset/a-b/?x=1&amp;y=2' rel='noreferrer'>" in page
    )


def test_the_newest_are_kept_and_come_first(smtp_port: int, mails: Mails):
    send(smtp_port, *(letter(f"Nr {number}") for number in range(5)))
    kept = [one.message["Subject"] for one in mails.newest(10)]
    assert kept == ["Nr 4", "Nr 3", "Nr 2"]


def test_what_a_mail_says_is_text(smtp_port: int, page_port: int, mails: Mails):
    script = "<script>alert(1)</script>"
    send(
        smtp_port,
        letter(subject=script, body=f"{script} http://x'onclick=y"),
        letter(subject="HTML", body=f"<p>{script}</p>", subtype="html"),
    )
    for path in ("/", *(f"/mail/{key}" for key in mails.names())):
        answer, text = ask(page_port, path)
        assert "<script" not in text
        assert "<p><" not in text.split("<pre>")[-1]
        assert "'onclick" not in text
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';")
        assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_a_foreign_name_for_this_machine_gets_nothing(smtp_port: int, page_port: int, host: str):
    """SECURITY: a page elsewhere that points its own name at the loopback."""
    send(smtp_port, letter())
    answer, text = ask(page_port, host=host)
    assert answer.status == 421
    assert "访问服务台" not in text


@pytest.mark.parametrize(
    "path", ["/mail/nothing", "/mail/../../secret_key", "/mail/%2e%2e%2fsecret_key", "/other"]
)
def test_only_mails_can_be_named(page_port: int, tmp_path: Path, path: str):
    (tmp_path / "secret_key").write_text("geheim", encoding="ascii")
    answer, text = ask(page_port, path)
    assert answer.status == 404
    assert "geheim" not in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_page_only_reads(page_port: int, method: str):
    assert ask(page_port, method=method)[0].status == 501


def test_a_mail_in_no_known_shape_does_not_break_the_page(mails: Mails, page_port: int):
    mails.keep(b"\xff\xfe\x00 no header at all")
    mails.keep(b"Subject: =?utf-9?b?!!!?=\r\nContent-Type: text/plain; charset=nothing\r\n\r\n\xff")
    mails.keep(b"Content-Type: multipart/mixed\r\n\r\nno parts")
    mails.keep(b"From: \r\nTo: <<<>>>;;,\r\nDate: never\r\n\r\n")
    for path in ("/", *(f"/mail/{key}" for key in mails.names())):
        assert ask(page_port, path)[0].status == 200


def test_what_cannot_be_kept_is_refused_for_now(
    smtp_port: int, mails: Mails, monkeypatch: pytest.MonkeyPatch
):
    def full(_content: bytes) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mails, "keep", full)
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        send(smtp_port, letter())
    assert refusal.value.smtp_code == 451


def test_a_mail_that_is_too_large_is_refused(
    smtp_port: int, mails: Mails, monkeypatch: pytest.MonkeyPatch
):
    huge = letter(body="x" * (mail_catcher.LARGEST_BYTES + 1))
    with pytest.raises(smtplib.SMTPException):
        send(smtp_port, huge)
    assert mails.names() == []


def test_a_folder_that_is_there_already_is_used(tmp_path: Path):
    Mails(tmp_path).keep(b"Subject: A\r\n\r\n")
    assert [one.message["Subject"] for one in Mails(tmp_path).newest(5)] == ["A"]
