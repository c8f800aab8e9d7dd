"""Takes card data out of what comes in on standard input."""

import codecs
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand

from posdoctor.core.scrub import scrub_stream

_PIECE = 1 << 16


class Command(BaseCommand):
    """An edge: bytes in, bytes out, by the code that guards every write."""

    help = "Masks card numbers, removes track data, security codes and PINs: stdin to stdout."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        for text in scrub_stream(_pieces(sys.stdin.buffer)):
            sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()


def _pieces(stream: BinaryIO) -> Iterator[str]:
    """Yield the stream as text; bytes that are not UTF-8 travel as lone surrogates and survive."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    while piece := stream.read(_PIECE):
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)
