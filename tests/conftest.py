"""What all tests share."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Tiny networks: a second thread costs more than it gives, and results depend on the count."""
    torch.set_num_threads(1)
