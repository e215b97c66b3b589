"""Many models: in processes, in a folder that resumes, over machines.

`scan_paths` is the plain loop, in memory; `run` is what the command line uses.
"""

from __future__ import annotations

from triggerfish.runs.paths import scan_path, scan_paths

__all__ = ["scan_path", "scan_paths"]
