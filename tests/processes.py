"""A terminal of the old sort: what a person sees on it after all the control codes."""

import os
import pty
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

TOKEN = re.compile(r"\x1b\[([\d;?]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


@dataclass
class Screen:
    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0
    seen: set[str] = field(default_factory=set)

    def feed(self, text: str) -> None:
        """Obey the codes that a progress bar uses."""
        for number, code, control, plain in TOKEN.findall(text):
            if plain:
                self._write(plain)
            elif control == "\r":
                self.column = 0
            elif control == "\n":
                self.row, self.column = self.row + 1, 0
            elif code == "A":
                self.row = max(0, self.row - int(number or 1))
            elif code == "K":
                self._set("" if number == "2" else self.lines[self.row][: self.column])
            while self.row >= len(self.lines):
                self.lines.append("")

    def _write(self, plain: str) -> None:
        line = self.lines[self.row].ljust(self.column)
        end = self.column + len(plain)
        self._set(line[: self.column] + plain + line[end:])
        self.column = end

    def _set(self, line: str) -> None:
        self.lines[self.row] = line
        self.seen.add(line.rstrip())


def in_terminal(*args: object) -> tuple[int, Screen]:
    """Run the command with stdin, stdout and stderr on one terminal, 200 columns wide."""
    parent, child = pty.openpty()
    environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm"}
    command = [sys.executable, "-m", "triggerfish", *map(str, args)]
    process = subprocess.Popen(
        command, stdin=child, stdout=child, stderr=child, env=environment, close_fds=True
    )
    os.close(child)
    screen = Screen()
    while True:
        try:
            data = os.read(parent, 65536)
        except OSError:  # how a terminal ends
            break
        screen.feed(data.decode())
    os.close(parent)
    return process.wait(), screen


def command(*args: object) -> list[str]:
    """The command in a process of its own."""
    return [sys.executable, "-m", "triggerfish", *map(str, args)]


def descendants(pid: int) -> set[int]:
    """Every process below ``pid``, from /proc."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(stat.parent.name)] = int(fields[1])
    found: set[int] = set()
    while more := {p for p, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found
