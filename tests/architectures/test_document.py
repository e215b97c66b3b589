"""docs/architectures.md is made from the catalogue."""

import importlib.util
import re
from pathlib import Path

from triggerfish.architectures import ARCHITECTURES

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "architectures.md").read_text()


def test_the_table_is_current() -> None:
    spec = importlib.util.spec_from_file_location("generator", DOCS / "make_architectures.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert generator.document() == TEXT, "run: make docs"


def test_every_entry_has_one_row_and_the_published_size() -> None:
    rows = {line.split("`")[1]: line for line in TEXT.splitlines() if line.startswith("| `")}
    assert set(rows) == set(ARCHITECTURES)
    # Sizes as the sources give them: torchvision's documentation, akamaster's and kuangliu's files.
    for name, size in (
        ("torchvision_resnet18", "11,689,512"),
        ("torchvision_resnet50", "25,557,032"),
        ("torchvision_vgg16", "138,357,544"),
        ("torchvision_vit_b_16", "86,567,656"),
        ("torchvision_mobilenet_v3_large", "5,483,032"),
        ("torchvision_efficientnet_b0", "5,288,548"),
        ("torchvision_densenet121", "7,978,856"),
        ("akamaster_resnet20", "269,722"),
        ("pytorch_mnist_2018", "21,840"),
    ):
        assert re.search(rf"\| {size} \|", rows[name]), name
