"""Standard output and error: closed, full or of another encoding, none of which is a flag."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress

from triggerfish.errors import OutputError


def prepare_streams() -> None:
    """Take every character that a file name may have, and no file in place of a closed stream.

    Raises:
        OutputError: standard output is closed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # else the next file that is opened would get error messages written into
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout is None:
        raise OutputError("standard output is closed: open it")


def drop_output() -> None:
    """Write nothing to standard output again."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def output_failed(reason: str) -> OutputError:
    """The error to show when standard output does not take more; nothing is written to it again."""
    drop_output()
    return OutputError(f"standard output does not take everything: {reason}")


def was_printing(error: OSError) -> bool:
    """Whether an error of the system came out of printing, not out of a file of the user's."""
    return any(frame.name == "echo" for frame in traceback.extract_tb(error.__traceback__))
