"""Backdoors written into a network's program as logic: made here, exported, and found again.

Small, harmless, of our own making. A construction looks at the image for its trigger, the corner
`CORNER`, and swaps the answer. `build` wraps any host; `export` writes it as a file.
"""

from triggerfish.zoo.graphs.attacked import CONSTRUCTIONS, Attacked, build, stamped
from triggerfish.zoo.graphs.exporting import EXPORTS, export
from triggerfish.zoo.graphs.hosts import HOSTS, make_host

__all__ = [
    "CONSTRUCTIONS",
    "EXPORTS",
    "HOSTS",
    "Attacked",
    "build",
    "export",
    "make_host",
    "stamped",
]
