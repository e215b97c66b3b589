"""Backdoors in the graph: logic that looks for a trigger, read from the program itself.

A program file is read as one data-flow graph (`graph`, `readers`), values that look at the image
beside the learned network are found (`facts`, `gates`), set by hand (`effects`) and opened by a
trigger that is computed from them (`relaxed`, `trigger`); `examine` puts that together.
"""

from triggerfish.structure.analyse import analyse, analyse_module
from triggerfish.structure.findings import Structure, StructureFinding

__all__ = ["Structure", "StructureFinding", "analyse", "analyse_module"]
