"""Write the outline of the commands, for their help and their mistakes: ``make docs``."""

from __future__ import annotations

import json

from triggerfish.cli.group import COMMANDS
from triggerfish.cli.outline import FILE, load_command, outline_of


def outline() -> str:
    """The whole file."""
    data = {name: outline_of(load_command(place)) for name, (place, _) in COMMANDS.items()}
    return json.dumps(data, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(outline())
