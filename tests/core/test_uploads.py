"""What strangers send: refused, or kept as pixels and masked text of our own making."""

import hashlib
import io
import random
import struct
import zipfile
import zlib

import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from posdoctor.core import uploads
from posdoctor.core.uploads import CleanFile, RejectedUpload, clean_upload, safe_name

RED, BLUE = (200, 30, 30), (30, 30, 200)


def two_halves(width: int = 80, height: int = 40, mode: str = "RGB") -> Image.Image:
    """Left half red, right half blue."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture.convert(mode)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def decoded(clean: CleanFile) -> Image.Image:
    picture = Image.open(io.BytesIO(clean.content))
    picture.load()
    return picture


def near(got: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(got, tuple)
    return all(abs(a - b) < 24 for a, b in zip(got[:3], wanted, strict=True))


def reason_of(name: str, data: bytes) -> str:
    with pytest.raises(RejectedUpload) as refusal:
        clean_upload(name, data)
    return refusal.value.reason


@pytest.mark.parametrize(
    ("kind", "mode", "extension", "mime"),
    [
        ("JPEG", "RGB", ".jpg", "image/jpeg"),
        ("JPEG", "L", ".jpg", "image/jpeg"),
        ("JPEG", "CMYK", ".jpg", "image/jpeg"),
        ("PNG", "RGB", ".png", "image/png"),
        ("PNG", "RGBA", ".png", "image/png"),
        ("PNG", "P", ".png", "image/png"),
        ("PNG", "1", ".png", "image/png"),
        ("PNG", "LA", ".png", "image/png"),
        ("WEBP", "RGB", ".jpg", "image/jpeg"),
        ("GIF", "P", ".png", "image/png"),
    ],
)
def test_pictures_are_kept_in_two_formats(kind: str, mode: str, extension: str, mime: str):
    clean = clean_upload("照片.bin", encoded(two_halves(mode=mode), kind))
    assert (clean.extension, clean.content_type) == (extension, mime)
    assert clean.name == f"照片{extension}"
    assert (clean.width, clean.height) == (80, 40) == decoded(clean).size
    assert clean.sha256 == hashlib.sha256(clean.content).hexdigest()


def test_exif_place_profile_and_comment_do_not_survive():
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "SecretPhone"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (31.0, 13.0, 55.5)
    data = encoded(
        two_halves(), "JPEG", exif=exif, comment=b"SecretComment", icc_profile=b"SecretProfile"
    )
    assert b"SecretPhone" in data
    assert Image.open(io.BytesIO(data)).getexif().get_ifd(ExifTags.IFD.GPSInfo)
    clean = clean_upload("a.jpg", data)
    assert b"Secret" not in clean.content
    assert not decoded(clean).getexif()
    assert "icc_profile" not in decoded(clean).info


def test_png_texts_do_not_survive():
    info = PngInfo()
    info.add_text("Author", "SecretAuthor")
    info.add_itxt("XML:com.adobe.xmp", "SecretXmp")
    clean = clean_upload("a.png", encoded(two_halves(), "PNG", pnginfo=info))
    assert b"Secret" not in clean.content


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(orientation: int):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    clean = clean_upload("a.jpg", encoded(two_halves(), "JPEG", exif=exif, quality=95))
    picture = decoded(clean)
    assert picture.size == ((80, 40) if orientation < 5 else (40, 80))
    corners = {
        1: (RED, BLUE), 2: (BLUE, RED), 3: (BLUE, RED), 4: (RED, BLUE),
        5: (RED, BLUE), 6: (RED, BLUE), 7: (BLUE, RED), 8: (BLUE, RED),
    }  # fmt: skip
    first, last = corners[orientation]
    assert near(picture.getpixel((3, 3)), first)
    assert near(picture.getpixel((picture.width - 4, picture.height - 4)), last)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")
def test_an_unreadable_orientation_does_not_cost_the_picture():
    good = encoded(two_halves(), "JPEG")
    broken_exif = b"\xff\xe1" + struct.pack(">H", 18) + b"Exif\0\0MM\0*\xff\xff\xff\xff\xff\xff"
    assert clean_upload("a.jpg", good[:2] + broken_exif + good[2:]).width == 80


@pytest.mark.parametrize(("width", "height"), [(5000, 300), (300, 5000), (2561, 2561)])
def test_large_pictures_are_shrunk(width: int, height: int):
    clean = clean_upload("a.jpg", encoded(two_halves(width, height), "JPEG"))
    assert max(decoded(clean).size) == uploads.MAX_SIDE
    assert decoded(clean).size == (clean.width, clean.height)


def test_a_clear_background_stays_clear_in_png_and_turns_white_in_jpeg():
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert decoded(clean_upload("a.png", encoded(clear, "PNG"))).getpixel((5, 5)) == (0, 0, 0, 0)
    white = decoded(clean_upload("a.webp", encoded(clear, "WEBP", lossless=True)))
    assert near(white.getpixel((5, 5)), (255, 255, 255))


def test_only_the_first_frame_of_a_moving_picture_is_kept():
    frames = [Image.new("RGB", (10, 10), RED), Image.new("RGB", (10, 10), BLUE)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    picture = decoded(clean_upload("a.gif", data))
    assert getattr(picture, "n_frames", 1) == 1
    assert near(picture.convert("RGB").getpixel((5, 5)), RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_what_hides_in_or_behind_a_picture_is_gone(kind: str):
    page = b"<html><script>alert(1)</script></html>"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("evil.html", page)
    data = encoded(two_halves(), kind) + page + archive.getvalue()
    clean = clean_upload("a.html", data)
    assert b"<script>" not in clean.content
    assert b"PK\x03\x04" not in clean.content
    assert clean.extension in {".jpg", ".png"}


def test_a_page_in_a_jpeg_comment_is_gone():
    data = encoded(two_halves(), "JPEG", comment=b"<html><script>alert(1)</script>")
    assert b"<script>" not in clean_upload("a.html", data).content


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_a_picture_cut_short_is_broken(kind: str):
    data = encoded(two_halves(400, 400), kind)
    assert reason_of("a", data[: len(data) * 2 // 3]) == "broken"
    assert reason_of("a", data[:14]) == "broken"


def _png_of(width: int, height: int) -> bytes:
    """A PNG whose header promises much and whose data is a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (height * (width // 8 + 1)), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(8000, 8000), (12000, 9000), (20000, 20000)])
def test_a_bomb_is_refused_before_it_is_unpacked(width: int, height: int):
    data = _png_of(width, height)
    assert len(data) < 200_000
    assert reason_of("a.png", data) == "too_many_pixels"


def test_limits_in_bytes_hold_for_pictures_and_texts():
    picture = encoded(two_halves(), "PNG")
    padding = b"\0" * (uploads.MAX_IMAGE_BYTES + 1 - len(picture))
    assert reason_of("a.png", picture + padding) == "too_large"
    assert clean_upload("a.png", picture + padding[:-1]).width == 80
    assert reason_of("a.log", b"x" * (uploads.MAX_TEXT_BYTES + 1)) == "too_large"
    assert len(clean_upload("a.log", b"x" * uploads.MAX_TEXT_BYTES).content) == 2 * 1024 * 1024


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a.txt", "hello")
    return out.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"></svg>'


@pytest.mark.parametrize(
    "data",
    [
        SVG,
        b'<?xml version="1.0"?>\n' + SVG,
        b"<!-- nothing -->\n" + SVG,
        b"\xef\xbb\xbf  \n<!DOCTYPE html><p>hello",
        b"<html><body>hello",
        b"just words <script>alert(1)</script>",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
        _zip(),
        b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff",
        b"\x7fELF\x02\x01\x01\0",
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
        b"II*\0\x08\0\0\0",
        b"SQLite format 3\0",
        b"{\\rtf1\\ansi hello}",
        "日志".encode("utf-16"),
        b"text with a \0 in it",
        hashlib.shake_256(b"noise").digest(4000),
        b"\x01\x02\x03\x04" * 50 + b"text",
    ],
    ids=lambda data: repr(data[:12]),
)
@pytest.mark.parametrize("name", ["a.jpg", "a.txt", "a"])
def test_everything_else_is_refused_whatever_its_name(name: str, data: bytes):
    assert reason_of(name, data) == "type"


def test_nothing_is_refused_as_empty():
    assert reason_of("a.jpg", b"") == "empty"


@pytest.mark.parametrize(
    ("name", "text", "kept_as", "mime"),
    [
        ("pos.log", "12:00 00\n", "pos.log", "text/plain"),
        ("终端.CSV", "终端号,状态\n12345678,在用\n", "终端.csv", "text/csv"),
        ("diag.json", '{"battery": 80}', "diag.json", "application/json"),
        ("diag.json", "{not json", "diag.txt", "text/plain"),
        ("deep.json", "[" * 100_000, "deep.txt", "text/plain"),
        ("run.exe", "hello", "run.txt", "text/plain"),
        ("page.html", "hello", "page.txt", "text/plain"),
        ("noname", "hello", "noname.txt", "text/plain"),
        ("photo.jpg", "hello", "photo.txt", "text/plain"),
    ],
)
def test_texts_are_kept_by_what_they_are(name: str, text: str, kept_as: str, mime: str):
    clean = clean_upload(name, text.encode())
    assert (clean.name, clean.content_type) == (kept_as, mime)
    assert clean.content.decode() == text
    assert (clean.width, clean.height) == (None, None)


def test_chinese_logs_of_windows_programs_become_utf_8():
    clean = clean_upload("a.log", "签到失败：密钥错误".encode("gb18030"))
    assert clean.content.decode() == "签到失败：密钥错误"


def test_a_byte_order_mark_is_dropped():
    assert clean_upload("a.txt", b"\xef\xbb\xbfhello").content == b"hello"


def test_terminal_logs_may_hold_colours():
    log = "\x1b[31mERROR\x1b[0m response 55\r\n" * 20
    assert clean_upload("a.log", log.encode()).content.decode() == log


def test_card_data_in_texts_and_names_is_masked():
    text = "卡号 6222 0212 3456 7890，密码是123456".encode("gb18030")
    clean = clean_upload("卡4111111111111111.log", text)
    assert clean.content.decode() == "卡号 622202******7890，密码是[removed]"
    assert "4111111111111111" not in clean.name
    assert clean.name == "卡411111******1111.log"


def test_masked_json_that_is_no_json_any_more_is_a_plain_text():
    clean = clean_upload("a.json", b'{"pan": 4111111111111111}')
    assert clean.content == b'{"pan": 411111******1111}'
    assert clean.extension == ".txt"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd.txt"),
        ("C:\\Users\\li\\小票.jpg", "小票.txt"),
        ("a\0b\r\nc.png", "ab  c.txt"),
        ("photo\u202egnp.exe", "photognp.txt"),
        ("line\u2028break.log", "line break.txt"),
        ("", "file.txt"),
        ("...", "file.txt"),
        (".jpg", "jpg.txt"),
        ("\u200b\u2066", "file.txt"),
    ],
)
def test_names_are_made_safe(given: str, kept: str):
    assert safe_name(given, ".txt") == kept


def test_names_are_short():
    name = safe_name("长" * 500 + ".jpg", ".jpg")
    assert len(name) == uploads.MAX_NAME
    assert name.endswith("长.jpg")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_damaged_pictures_are_refused_or_cleaned_and_nothing_else(kind: str):
    good = encoded(two_halves(64, 64), kind)
    dice = random.Random(kind)  # noqa: S311 - damage that repeats
    outcomes = set()
    for _ in range(150):
        data = bytearray(good)
        for _ in range(dice.randint(1, 12)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            clean = clean_upload("a", bytes(data))
        except RejectedUpload as refusal:
            outcomes.add(refusal.reason)
        else:
            decoded(clean)
            outcomes.add("kept")
    assert {"broken"} <= outcomes <= {"broken", "kept", "type", "too_many_pixels"}
