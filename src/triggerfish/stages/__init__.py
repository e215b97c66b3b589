"""The searches of a scan, in their order. A new one is one file and one line in `STAGES`."""

from __future__ import annotations

from triggerfish.stages.blends import Blends
from triggerfish.stages.classes import Classes
from triggerfish.stages.confirmation import ConfirmationTests
from triggerfish.stages.stamps import PlainStamps
from triggerfish.stages.state import Stage
from triggerfish.stages.sure import SureImages
from triggerfish.stages.untargeted import Untargeted

STAGES: tuple[Stage, ...] = (
    Classes(), SureImages(), ConfirmationTests(), PlainStamps(), Blends(), Untargeted()
)  # fmt: skip
