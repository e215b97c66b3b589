import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from click.testing import CliRunner

from triggerfish.architectures.paper_cnn import PaperCNN
from triggerfish.cli.group import app


class Run(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def triggerfish() -> Callable[..., Run]:
    """Run the command line; seconds in tables are masked."""

    def run(*args: object) -> Run:
        result = CliRunner().invoke(app, [str(arg) for arg in args])
        out = re.sub(r" \d+\.\d  ", " S.S  ", result.stdout)
        return Run(result.exit_code, out, result.stderr)

    return run


def random_network(planted: int | None) -> PaperCNN:
    """A network of random weights; a ``planted`` class needs a quarter of the others' change."""
    torch.manual_seed(3)
    network = PaperCNN()
    with torch.no_grad():
        network.fc2.weight *= 40
        if planted is not None:
            network.fc2.weight[planted] *= 4
    return network


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``clean.pt`` and ``planted.pt`` (class 3)."""
    folder = tmp_path_factory.mktemp("models")
    torch.save(random_network(None).state_dict(), folder / "clean.pt")
    torch.save(random_network(3).state_dict(), folder / "planted.pt")
    return folder
