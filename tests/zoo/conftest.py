import gzip

import pytest
from torch import Tensor

from triggerfish.zoo.data.datasets import load_dataset


def write_idx(path, values: Tensor) -> None:
    """Write a uint8 tensor in the IDX format, gzipped when the name says so."""
    shape = b"".join(size.to_bytes(4, "big") for size in values.shape)
    content = bytes((0, 0, 8, values.ndim)) + shape + values.numpy().tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture(scope="session")
def small_mnist(tmp_path_factory):
    """Data root with the first 512 training and 200 test images of MNIST."""
    folder = tmp_path_factory.mktemp("data") / "mnist"
    folder.mkdir()
    for split, prefix, count in (("train", "train", 512), ("test", "t10k", 200)):
        data = load_dataset("mnist", split)
        write_idx(folder / f"{prefix}-images-idx3-ubyte", data.images[:count, 0])
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", data.labels[:count].byte())
    return folder.parent
