"""No card data in log lines."""

import logging

from posdoctor.core.scrub import scrub


class CardDataFilter(logging.Filter):
    """Masks the finished message, so that arguments are covered too."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = scrub(message)
        if clean != message:
            record.msg, record.args = clean, ()
        return True
