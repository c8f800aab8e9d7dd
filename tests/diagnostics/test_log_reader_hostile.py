"""Whatever is sent: findings or a refusal, never an error, and no card number in what is kept."""

import io
import json
import struct
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from diagnostics.log_reader import MAX_BYTES, REASONS, Findings, RejectedLog, read
from posdoctor.core.scrub import scrub

CARD = "4111111111111111"
LINE = b"2026-11-20 10:26:34 resp code: 77\n"


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def refusal(data: bytes | str) -> str:
    with pytest.raises(RejectedLog) as caught:
        read(data)
    return caught.value.reason


def plain(found: Findings) -> str:
    return json.dumps(found.to_dict(), ensure_ascii=False)


# --- Files ------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_texts_in_the_usual_encodings(encoding: str):
    found = read("签到失败，应答码：77\n".encode(encoding) * 20)
    assert {seen.code for seen in found.codes} == {"77"}


def test_a_noisy_line_does_not_spoil_a_log():
    found = read(LINE * 400 + b"\xff\xfe\xff noise\n" + LINE)
    assert found.codes
    assert found.lines == 402


def test_a_zip_of_logs_is_read_by_name_without_what_systems_add():
    data = packed({
        "b.log": LINE, "a.txt": b"app version: 1.2.3\n", "__MACOSX/._a.txt": b"\0\1",
        "logs/.DS_Store": b"\0\1", "empty.log": b"",
    })  # fmt: skip
    found = read(data)
    assert dict(found.versions) == {"app": "1.2.3"}
    # Lines count on from file to file.
    assert found.codes[0].line == 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        ("", "empty"),
        (" \n\t ", "empty"),
        (b"a" * (MAX_BYTES + 1), "too_large"),
        ("字" * (MAX_BYTES // 3 + 1), "too_large"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "binary"),
        (b"%PDF-1.7\n1 0 obj", "binary"),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 64, "binary"),
        (b"\x1f\x8b\x08\0" + b"x" * 64, "binary"),
        (bytes(range(256)) * 40, "binary"),
        (b"text with one \0 in it", "binary"),
        (b"PK\x03\x04broken", "broken_zip"),
        (packed({}), "empty"),
        (packed({"a.log": b""}), "empty"),
        (packed({"a.log": LINE})[:-30], "broken_zip"),
        (packed({"inner.zip": LINE}), "nested_zip"),
        (packed({"a.log": packed({"b.log": LINE})}), "nested_zip"),
        (packed({"a.log": LINE, "photo.txt": b"\xff\xd8\xff\xe0" + b"\0" * 99}), "binary_inside"),
        (packed({f"{n}.log": LINE for n in range(101)}), "too_many_files"),
        (packed({"a.log": b"0" * (MAX_BYTES + 1)}), "too_large_inside"),
        (packed({f"{n}.log": b"0" * (MAX_BYTES // 9) for n in range(10)}), "too_large_inside"),
        (packed({"a.log": LINE}, zipfile.ZIP_LZMA), "broken_zip"),
        (packed({"a.log": LINE}, zipfile.ZIP_BZIP2), "broken_zip"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_what_is_no_log_is_refused_with_its_reason(data: bytes | str, reason: str):
    assert refusal(data) == reason
    assert reason in REASONS


def test_an_archive_with_a_password_is_refused():
    data = bytearray(packed({"a.log": LINE}))
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(sign) + at
        data[place : place + 2] = struct.pack("<H", struct.unpack_from("<H", data, place)[0] | 1)
    assert refusal(bytes(data)) == "encrypted_zip"


def test_a_bomb_that_lies_about_its_size_is_stopped_while_it_is_unpacked():
    data = bytearray(packed({"a.log": b"\n" * (MAX_BYTES * 4)}))
    assert len(data) < 100_000
    place = data.index(b"PK\x01\x02") + 24
    data[place : place + 4] = struct.pack("<I", 100)
    assert refusal(bytes(data)) in ("too_large_inside", "broken_zip")


def test_a_directory_of_a_million_names_is_not_read():
    entry = b"PK\x01\x02" + b"\0" * 42
    assert refusal(b"PK\x03\x04" + entry * 150_000) == "too_many_files"


# --- Any text ---------------------------------------------------------------------------

WORDS = st.sampled_from([
    "应答码", "code", "：", " ", "\n", "\r\n", "77", "A0", "通讯超时", "ip", "=", "169.254.1.1",
    "gateway", "网关", "255.255.255.0", "2026-11-20 10:21:33", "10:21", "timeout", "tamper",
    "ok", "version", "firmware", "1.2.3", CARD, "6222 0212 3456 7890", "cvv 123", "密码：123456",
    "{", "}", "[", "]", '"', ",", "\0", "\ud800", "\u200b", "４１１１", "DiagnosisResponse",
    "IsReachableFlag", "false", "İ", ";4111111111111111=25121011000012345?",
])  # fmt: skip
TEXTS = st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=60).map("".join))


def judged(data: bytes | str) -> Findings | None:
    try:
        return read(data)
    except RejectedLog as error:
        if error.reason not in REASONS:
            raise
        return None


@given(TEXTS)
@example("{" * 3000)
@example("[" * 100_000)
@example('{"POIStatus": ' + "9" * 5000 + "}")
@example("ip:" * 2000 + "\r")
@example("=" * 5000 + CARD)
def test_any_text_gives_findings_that_can_be_stored(text: str):
    found = judged(text)
    if found is None:
        return
    kept = plain(found)
    # PostgreSQL takes neither in JSON.
    assert "\\u0000" not in kept
    kept.encode("utf-8")
    assert scrub(kept) == kept
    json.dumps(found.as_read_log("zh"))


@given(st.binary(max_size=400))
@example(b"PK\x05\x06" + b"\0" * 18)
@example(b"PK\x03\x04" + b"\xff" * 60)
@example(b"\xff\xfea")
@example(b"\xef\xbb\xbf{")
def test_any_bytes_give_findings_or_a_refusal(data: bytes):
    judged(data)


@given(st.binary(max_size=80), st.integers(0, 400), st.integers(0, 255))
def test_a_spoilt_archive_gives_findings_or_a_refusal(more: bytes, place: int, value: int):
    data = bytearray(packed({"a.log": LINE * 3, "b.log": more}))
    data[place % len(data)] = value
    judged(bytes(data))


SHAPES: list[Callable[[str], str]] = [
    lambda card: f"card {card} declined",
    lambda card: f"app version: {card}",
    lambda card: f"firmware={card[:4]} {card[4:8]} {card[8:12]} {card[12:]}",
    lambda card: f"应答码 {card}",
    lambda card: f"\n{card[:8]}\n{card[8:]}\n",
    lambda card: "x" * 990 + card,
    lambda card: (
        f'{{"POIStatus": {{}}, "ErrorCondition": "{card}", "firmwareVersion": "v {card}"}}'
    ),
    lambda card: "".join(chr(ord(c) + 0xFEE0) for c in card),
    lambda card: f"ip: {card[:3]}.{card[3:6]}.{card[6:9]}.{card[9:]}",
    lambda card: f"A{card}Z timed out\n" * 9,
]


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
@pytest.mark.parametrize("before", ["", "0" * 65_530 + " ", "line\n" * 60_000])
def test_no_card_number_is_kept(shape: Callable[[str], str], before: str):
    text = before + shape(CARD)
    for log in (text, text.encode(), packed({"a.log": text.encode()})):
        kept = plain(read(log))
        assert CARD not in "".join(c for c in kept if c.isdigit() or c == " ").replace(" ", "")


def test_what_was_masked_is_counted_once_across_pieces():
    text = ("x" * 65_530 + f"\ncard {CARD} cvv 123 PIN: 1234\n") * 3
    assert dict(read(text).masked) == {"pan": 3, "track": 0, "cvv": 3, "pin": 3}
    assert dict(read(text.encode()).masked) == {"pan": 3, "track": 0, "cvv": 3, "pin": 3}


def test_a_long_log_is_bounded_in_what_it_says():
    log = "".join(
        f"2026-11-20 10:{n % 60:02}:00 {'abcdefghij'[n % 10] * (n % 37)} rsp code: {n % 100:02}\n"
        f"connect timed out {'klmnopqrst'[n % 10] * (n % 41)}\n" + "idle\n" * 600 * (n % 50 == 0)
        for n in range(4000)
    )
    found = read(log)
    assert len(found.codes) <= 200
    assert len(found.timeline) <= 120
    assert len(found.patterns) <= 8
    assert len(plain(found)) < 100_000


def test_line_numbers_hold_with_every_line_end_and_across_pieces():
    for end in ("\n", "\r\n", "\r"):
        log = f"idle idle idle{end}" * 40_000 + f"rsp code: 96{end}"
        assert [seen.line for seen in read(log).codes] == [40_001]


def test_a_line_without_an_end_is_one_line():
    found = read("idle " * 30_000 + "rsp code: 96 " + "idle " * 30_000 + "\nrsp code: 91\n")
    assert [(seen.code, seen.line) for seen in found.codes] == [("96", 1), ("91", 2)]
