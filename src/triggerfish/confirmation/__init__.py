"""A confirmation test of a class that a scan has flagged."""

from __future__ import annotations

from triggerfish.confirmation.config import ConfirmConfig
from triggerfish.confirmation.confirm import confirm

__all__ = ["ConfirmConfig", "confirm"]
