"""Files that somebody has accepted, by SHA-256, with a reason and a last day.

    [[accept]]
    sha256 = "4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a"
    reason = "known test model of the scanner itself"
    until = 2027-01-01

An accepted file is reported as *accepted*, with what was found in it; it is never called clean.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from triggerfish.errors import AcceptanceError
from triggerfish.results import Acceptance, Scanned, Skipped

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FIELDS = ("sha256", "reason", "until")
_FIX = "give it sha256, reason and until"


def read_acceptances(file: Path) -> dict[str, Acceptance]:
    """Acceptances by SHA-256.

    Raises:
        AcceptanceError: the file cannot be read, or an entry lacks a field or has a wrong one.
    """
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AcceptanceError(
            f"expected a TOML file with [[accept]] tables in {file}, got '{error}': check it"
        ) from error
    entries = document.get("accept", [])
    if not isinstance(entries, list) or document.keys() - {"accept"}:
        raise AcceptanceError(f"expected [[accept]] tables alone in {file}, got {[*document]}")
    return dict(_entry(file, number, entry) for number, entry in enumerate(entries, 1))


def _entry(file: Path, number: int, entry: object) -> tuple[str, Acceptance]:
    where = f"entry {number} of {file}"
    if not isinstance(entry, dict):
        raise AcceptanceError(f"{where} is no table: write [[accept]] above it")
    if missing := [name for name in FIELDS if name not in entry]:
        raise AcceptanceError(f"{where} has no {' and no '.join(missing)}: {_FIX}")
    if unknown := [name for name in entry if name not in FIELDS]:
        raise AcceptanceError(f"{where} has {', '.join(unknown)}, which means nothing: {_FIX}")
    sha256, reason, until = entry["sha256"], entry["reason"], entry["until"]
    if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise AcceptanceError(f"expected 64 hexadecimal digits as sha256 in {where}, got {sha256}")
    if not isinstance(reason, str) or not reason.strip():
        raise AcceptanceError(f"expected a reason in {where}, got {reason!r}: say why")
    if not isinstance(until, date) or isinstance(until, datetime):
        raise AcceptanceError(f"expected a day such as 2027-01-01 in {where}, got until {until!r}")
    return sha256, Acceptance(reason, until)


def apply_acceptances(
    result: Scanned | Skipped, acceptances: Mapping[str, Acceptance], today: date
) -> Scanned | Skipped:
    """The result, accepted where it is listed; after the last day, with a note instead."""
    found = acceptances.get(result.sha256 or "")
    if found is None:
        return result
    if today <= found.until:
        return replace(result, accepted=found)
    if isinstance(result, Skipped):
        return result
    note = f"accepted until {found.until.isoformat()}, which is over: {found.reason}"
    return replace(result, verdict=replace(result.verdict, notes=(*result.verdict.notes, note)))
