"""Reads a terminal's log, a slip or a pasted diagnosis: codes, texts, times, network, evidence.

Pure: no Django, no clock, no storage. Card data is taken out by `posdoctor.core.scrub` before a
line is looked at, and nothing of the log is kept but what `Findings` names: codes and texts of the
catalogue, addresses, versions, moments, and shapes of repeated lines in which digits are `#`.

    read(text)              what was pasted or typed from a photo
    read(data)              a file: txt, log, csv, json, or a zip of such files, 10 MB at most

Works in pieces: the time is linear in the length of what is read, and memory is bounded. Any text
and any bytes give findings or RejectedLog.
"""

from diagnostics.log_reader.events import link_failure
from diagnostics.log_reader.findings import Findings
from diagnostics.log_reader.reader import UNKNOWN, read
from diagnostics.log_reader.sources import MAX_BYTES, REASONS, RejectedLog

__all__ = [
    "MAX_BYTES", "REASONS", "UNKNOWN", "Findings", "RejectedLog", "link_failure", "read",
]  # fmt: skip
