"""A confirmation test of a class that a scan has flagged."""

from __future__ import annotations

from triggerfish.confirmation.confirm import confirm
from triggerfish.confirmation.search import ConfirmConfig

__all__ = ["ConfirmConfig", "confirm"]
