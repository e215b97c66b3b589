import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from triggerfish.errors import DatasetError
from triggerfish.zoo.data.datasets import load_dataset

PIXELS = np.random.default_rng(0).integers(0, 256, (10, 3, 32, 32), np.uint8)
LABELS = np.arange(10, dtype=np.uint8)


def write_python(folder):
    for i in range(5):
        part = slice(2 * i, 2 * i + 2)
        batch = {b"data": PIXELS[part].reshape(2, -1), b"labels": LABELS[part].tolist()}
        (folder / f"data_batch_{i + 1}").write_bytes(pickle.dumps(batch, protocol=2))


def write_binary(folder):
    for i in range(5):
        part = slice(2 * i, 2 * i + 2)
        rows = np.concatenate([LABELS[part, None], PIXELS[part].reshape(2, -1)], axis=1)
        (folder / f"data_batch_{i + 1}.bin").write_bytes(rows.tobytes())


def write_npz(folder):
    files = []
    for pixels in PIXELS:
        file = io.BytesIO()
        Image.fromarray(np.full((32, 32, 3), pixels[0, 0, 0])).save(file, "JPEG", quality=95)
        files.append(file.getvalue())
    np.savez(
        folder / "cifar10_train_jpeg.npz",
        jpeg=np.frombuffer(b"".join(files), np.uint8),
        length=np.array([len(file) for file in files], np.uint16),
        label=LABELS,
        classes=np.array(["x"] * 10),
    )


@pytest.mark.parametrize("write", [write_python, write_binary])
@pytest.mark.parametrize("sub_folder", ["", "cifar-10-batches-py"])
def test_official_batches(tmp_path, write, sub_folder):
    (tmp_path / sub_folder).mkdir(exist_ok=True)
    write(tmp_path / sub_folder)
    data = load_dataset("cifar10", "train", tmp_path)
    assert torch.equal(data.images, torch.from_numpy(PIXELS))
    assert data.labels.tolist() == LABELS.tolist()
    assert data.shape == (3, 32, 32)
    assert len(data.classes) == 10


def test_jpeg_npz(tmp_path):
    write_npz(tmp_path)
    data = load_dataset("cifar10", "train", tmp_path)
    assert data.images.shape == (10, 3, 32, 32)
    assert data.labels.tolist() == LABELS.tolist()
    expected = torch.from_numpy(PIXELS[:, 0, 0, 0]).view(10, 1, 1, 1)
    assert (data.images.int() - expected).abs().max() <= 2


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_batch_that_carries_code_does_not_run_it(tmp_path):
    write_python(tmp_path)
    canary = tmp_path / "ran"
    (tmp_path / "data_batch_3").write_bytes(pickle.dumps({b"data": Canary(canary)}))
    with pytest.raises(DatasetError, match=r"refers to (_?io|builtins)\.open"):
        load_dataset("cifar10", "train", tmp_path)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (write_python, "data_batch_2"),
        (write_binary, "data_batch_2.bin"),
        (write_npz, "cifar10_train_jpeg.npz"),
    ],
)
@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_damaged_files_end_in_one_line(tmp_path, write, name, damage):
    write(tmp_path)
    path = tmp_path / name
    path.write_bytes(
        {"truncated": path.read_bytes()[:-100], "text": b"<html>404</html>", "empty": b""}[damage]
    )
    with pytest.raises(DatasetError, match=f"expected CIFAR-10 images in .*{name}") as error:
        load_dataset("cifar10", "train", tmp_path)
    assert "\n" not in str(error.value)


def test_jpeg_lengths_must_add_up(tmp_path):
    write_npz(tmp_path)
    path = tmp_path / "cifar10_train_jpeg.npz"
    arrays = dict(np.load(path))
    arrays["length"] = arrays["length"] + 1
    np.savez(path, **arrays)
    with pytest.raises(DatasetError, match="lengths"):
        load_dataset("cifar10", "train", tmp_path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"data_batch_1, .* cifar10_train_jpeg\.npz"):
        load_dataset("cifar10", "train", tmp_path)
