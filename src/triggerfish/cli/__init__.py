"""The command line: thin commands that parse, call one library function and print.

Only this package prints or sets an exit code. Data goes to stdout, everything else to stderr.
"""

from __future__ import annotations

from triggerfish.cli.group import app


def main() -> None:
    """Run the ``triggerfish`` command and exit with its code."""
    app(prog_name="triggerfish")
