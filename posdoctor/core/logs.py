"""No card data in log lines."""

import logging

from posdoctor.core.scrub import scrub

_PLAIN = logging.Formatter()


class CardDataFilter(logging.Filter):
    """Masks the finished message, so that arguments are covered too, and the traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = scrub(message)
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info:
            # An error repeats the value that it could not read; formatters keep what is here.
            record.exc_text = scrub(record.exc_text or _PLAIN.formatException(record.exc_info))
        return True
