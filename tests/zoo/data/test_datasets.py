import hashlib

import pytest
import torch

from tests.zoo.conftest import write_idx
from triggerfish.errors import DatasetError
from triggerfish.zoo.data import datasets
from triggerfish.zoo.data.datasets import image_shape, load_dataset
from triggerfish.zoo.data.idx import find_idx, read_bytes

PUBLISHED_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@pytest.mark.parametrize("name", PUBLISHED_MD5)
def test_bundled_mnist_is_the_published_one(name):
    folder = datasets._SOURCES["mnist"].bundled
    assert hashlib.md5(read_bytes(find_idx(folder, name))).hexdigest() == PUBLISHED_MD5[name]


def test_mnist_needs_no_folder_and_its_constants_are_those_of_its_pixels():
    data = load_dataset("mnist")
    assert data.images.shape == (60_000, *image_shape("mnist"))
    assert data.images.dtype == torch.uint8
    assert data.labels[:5].tolist() == [5, 0, 4, 1, 9]
    pixels = data.images.double() / 255
    assert pixels.mean().item() == pytest.approx(data.mean[0], abs=5e-5)
    assert pixels.std().item() == pytest.approx(data.std[0], abs=5e-5)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_read_gzipped_or_not(tmp_path, suffix):
    images = torch.randint(0, 256, (7, 28, 28), dtype=torch.uint8)
    write_idx(tmp_path / f"train-images-idx3-ubyte{suffix}", images)
    write_idx(tmp_path / f"train-labels-idx1-ubyte{suffix}", torch.arange(7, dtype=torch.uint8))
    data = load_dataset("fashion-mnist", "train", tmp_path)
    assert torch.equal(data.images[:, 0], images)
    assert data.labels.tolist() == list(range(7))
    assert len(data.classes) == 10


def test_normalised_mnist_has_mean_0_and_std_1(small_mnist):
    data = load_dataset("mnist", "train", small_mnist)
    x = data.normalise(data.images.float() / 255)
    assert abs(x.mean()) < 0.05
    assert abs(x.std() - 1) < 0.05


def _break(folder, how):
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    if how == "missing":
        labels.unlink()
    elif how == "truncated":
        images.write_bytes(images.read_bytes()[:-1])
    elif how == "truncated gzip":
        write_idx(folder / "x.gz", torch.zeros(9, 28, 28, dtype=torch.uint8))
        images.write_bytes((folder / "x.gz").read_bytes()[:-20])
    elif how == "not idx":
        images.write_text("<html>404</html>")
    elif how == "empty":
        images.write_bytes(b"")
    elif how == "of different sets":
        write_idx(labels, torch.zeros(3, dtype=torch.uint8))
    elif how == "labels":
        write_idx(labels, torch.full((9,), 10, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("missing", "train-labels-idx1-ubyte or .* got neither"),
        ("truncated", "expected 7056 values .* got 7055"),
        ("truncated gzip", "expected a readable file"),
        ("not idx", "expected an IDX file"),
        ("empty", "begins with nothing"),
        ("of different sets", "9 images and 3 labels"),
        ("labels", "expected labels 0 to 9"),
    ],
)
def test_bad_files_end_in_one_line_that_says_what_to_do(tmp_path, how, says):
    write_idx(tmp_path / "train-images-idx3-ubyte", torch.zeros(9, 28, 28, dtype=torch.uint8))
    write_idx(tmp_path / "train-labels-idx1-ubyte", torch.zeros(9, dtype=torch.uint8))
    load_dataset.__wrapped__("mnist", "train", tmp_path)
    _break(tmp_path, how)
    with pytest.raises(DatasetError, match=says) as error:
        load_dataset("mnist", "train", tmp_path)
    assert "\n" not in str(error.value)
    assert ": " in str(error.value)


def test_a_data_set_that_is_not_bundled_asks_for_its_folder():
    with pytest.raises(DatasetError, match="--data-root"):
        load_dataset("fashion-mnist")


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="fashion-mnist"):
        load_dataset("imagenet")
