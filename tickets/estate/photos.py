"""Small pictures for the newest tickets, drawn at load time: a receipt or a terminal's screen."""

import hashlib
import io
import random
from collections.abc import Sequence

from django.core.files.base import ContentFile
from PIL import Image, ImageDraw, ImageFont

from tickets.estate.people import Plan
from tickets.estate.rows import clean, moment
from tickets.estate.seeded import token
from tickets.estate.stories import Story
from tickets.models import Attachment, attachment_path

MOST = 12
_SIZE = (480, 640)
_TABLE, _PAPER, _INK = (186, 170, 148), (250, 249, 244), (52, 50, 48)

# No codes: a picture must not contradict the words beside it.
_SCREENS: dict[str, Sequence[str]] = {
    "cannot_sign_in": ("SIGN IN", "FAILED", "TRY AGAIN ?"),
    "network_down": ("PAYMENT", "CONNECTION TIMEOUT", "RETRY ?"),
    "card_not_read": ("INSERT CARD", "CARD READ ERROR"),
    "app_firmware": ("PAYMENT APP", "HAS STOPPED", "CLOSE ?"),
    "declines": ("PAYMENT", "DECLINED"),
    "tamper_locked": ("TERMINAL LOCKED", "CONTACT PROVIDER"),
}
_RECEIPTS: dict[str, Sequence[str]] = {
    "cannot_print": ("PRINT TEST", "ABCDEFGHIJKLM", "0123456789", "- - - - - - - -"),
    "settlement_batch": ("SETTLEMENT", "SALES      42   9,318.00", "REFUNDS     1      86.00",
                         "TOTALS DIFFER"),
}  # fmt: skip


def attach(plan: Plan, stories: Sequence[Story]) -> int:
    """Hangs a photo on the first message of some stories; says how many."""
    chance = plan.chance("photos")
    pictured = [story for story in stories if _lines(story.topic) and story.first_message][:MOST]
    rows = [_attachment(story, chance) for story in pictured]
    Attachment.objects.bulk_create(rows)
    return len(rows)


def _lines(topic: str) -> Sequence[str]:
    return _SCREENS.get(topic) or _RECEIPTS.get(topic) or ()


def _attachment(story: Story, chance: random.Random) -> Attachment:
    assert story.first_message is not None
    message_id, at = story.first_message
    content = picture(story.topic, chance)
    row = Attachment(
        provider_id=story.machine.shop.crew.id,
        key=token(chance),
        ticket_id=story.id,
        message_id=message_id,
        name=clean(f"IMG_{chance.randrange(1000, 9999)}.jpg"),
        content_type="image/jpeg",
        extension=".jpg",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        width=_SIZE[0],
        height=_SIZE[1],
        created_at=moment(at),
    )
    storage, path = row.file.storage, attachment_path(row, row.name)
    # Left over from an earlier load with the same seed: it is this very picture.
    if storage.exists(path):
        storage.delete(path)
    row.file.name = storage.save(path, ContentFile(content))
    return row


def picture(topic: str, chance: random.Random) -> bytes:
    """A JPEG of a receipt or of a terminal's screen, a little askew, like a hurried photo."""
    image = Image.new("RGB", _SIZE, _TABLE)
    draw = ImageDraw.Draw(image)
    if topic in _RECEIPTS:
        _receipt(draw, _RECEIPTS[topic], faint=topic == "cannot_print")
    else:
        _terminal(draw, _SCREENS[topic])
    image = image.rotate(chance.uniform(-4, 4), fillcolor=_TABLE)
    target = io.BytesIO()
    image.save(target, "JPEG", quality=80)
    return target.getvalue()


def _receipt(draw: ImageDraw.ImageDraw, lines: Sequence[str], *, faint: bool) -> None:
    draw.rectangle((90, 30, 390, 610), fill=_PAPER)
    ink = (205, 203, 200) if faint else _INK
    draw.text((240, 80), "MERCHANT COPY", font=ImageFont.load_default(22), fill=ink, anchor="mm")
    for row, line in enumerate(lines):
        font = ImageFont.load_default(20)
        draw.text((110, 140 + row * 60), line, font=font, fill=ink, anchor="lm")
    if faint:
        draw.rectangle((150, 120, 158, 600), fill=_PAPER)


def _terminal(draw: ImageDraw.ImageDraw, lines: Sequence[str]) -> None:
    draw.rounded_rectangle((80, 40, 400, 620), radius=36, fill=(44, 47, 52))
    draw.rounded_rectangle((105, 90, 375, 400), radius=10, fill=(222, 232, 238))
    for row, line in enumerate(lines):
        size = 22 if len(line) > 12 else 30
        font = ImageFont.load_default(size)
        draw.text((240, 150 + row * 62), line, font=font, fill=(24, 40, 66), anchor="mm")
    for row in range(3):
        for column in range(3):
            left, top = 125 + column * 80, 430 + row * 58
            draw.rounded_rectangle((left, top, left + 62, top + 42), radius=8, fill=(88, 93, 100))
