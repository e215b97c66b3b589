"""How many threads a scan's arithmetic uses."""

from __future__ import annotations

import os

import torch


def use_one_thread() -> None:
    """One thread unless OMP_NUM_THREADS says otherwise.

    The networks are small: a second thread gains little, and on a machine where another process
    holds one of the cores it made the same scan twenty times slower.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
