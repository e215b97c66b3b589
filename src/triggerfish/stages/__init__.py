"""The searches of a scan, in their order. A new one is one file and one line in `STAGES`."""

from __future__ import annotations

from triggerfish.stages.blends import Blends
from triggerfish.stages.classes import Classes
from triggerfish.stages.confirmation import ConfirmationTests
from triggerfish.stages.stamps import PlainStamps
from triggerfish.stages.state import Stage, State
from triggerfish.stages.sure import SureImages
from triggerfish.stages.untargeted import Untargeted

STAGES: tuple[Stage, ...] = (
    Classes(), SureImages(), ConfirmationTests(), PlainStamps(), Blends(), Untargeted()
)  # fmt: skip


def share_of(stage: Stage, state: State) -> tuple[float, float]:
    """Where a stage begins and ends, as fractions of the scan's time: for the progress alone.

    By the images that pass the network. One that nobody could expect, such as a test of a class in
    question, takes as long as what came before it.
    """
    passes = [one.passes(state) for one in STAGES]
    number, whole = STAGES.index(stage), sum(passes)
    before = sum(passes[:number]) / whole
    if passes[number]:
        return before, before + passes[number] / whole
    return before / 2, before
