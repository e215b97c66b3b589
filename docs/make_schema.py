"""Write the JSON Schema of results from their types: ``make docs``."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from triggerfish.reports.json_report import SCHEMA_VERSION, make_schema

if __name__ == "__main__":
    folder = Path(str(resources.files("triggerfish.reports"))) / "schema"
    (folder / f"results-{SCHEMA_VERSION}.schema.json").write_text(make_schema())
