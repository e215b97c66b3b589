"""Programs that exporters write every day: views, any batch, several outputs, own normalisation."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from triggerfish.loading import Hints, LoadOptions, open_readings
from triggerfish.loading.programs.batches import FixedBatch, for_any_batch
from triggerfish.loading.programs.first_steps import first_steps
from triggerfish.model.classifier import Classifier, Preprocessing

SHAPE = (3, 12, 12)
BATCH = torch.export.Dim("batch", min=1, max=64)
IMAGENET = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Else the few answers of a random network may all lie in (0, 1), as those of a sigmoid."""
    torch.manual_seed(1)


def onnx_of(network: nn.Module, path: Path, batch: int = 0, **more: object) -> None:
    """Exported by the exporter of TorchScript; for any batch where it is 0."""
    axes = {} if batch else {"dynamic_axes": {"x": {0: "n"}}}
    x = torch.rand(batch or 1, *SHAPE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it is old
        torch.onnx.export(network, (x,), path, dynamo=False, input_names=["x"], **axes, **more)


def new_onnx_of(network: nn.Module, path: Path, batch: int = 0) -> None:
    dynamic = None if batch else ({0: BATCH},)
    x = torch.rand(batch or 2, *SHAPE)
    torch.onnx.export(network, (x,), path, dynamic_shapes=dynamic, verbose=False)


def exported_of(network: nn.Module, path: Path, batch: int = 0) -> None:
    dynamic = None if batch else ({0: BATCH},)
    program = torch.export.export(
        network, (torch.rand(batch or 2, *SHAPE),), dynamic_shapes=dynamic
    )
    torch.export.save(program, path)


def decomposed_of(network: nn.Module, path: Path, batch: int = 0) -> None:
    dynamic = None if batch else ({0: BATCH},)
    program = torch.export.export(
        network, (torch.rand(batch or 2, *SHAPE),), dynamic_shapes=dynamic
    )
    torch.export.save(program.run_decompositions(), path)


def traced_of(network: nn.Module, path: Path, batch: int = 0) -> None:
    torch.jit.save(torch.jit.trace(network, torch.rand(batch or 2, *SHAPE)), path)


def scripted_of(network: nn.Module, path: Path, batch: int = 0) -> None:
    del batch
    torch.jit.save(torch.jit.script(network), path)


WRITERS: dict[str, Callable[..., None]] = {
    "old.onnx": onnx_of,
    "new.onnx": new_onnx_of,
    "exported.pt2": exported_of,
    "decomposed.pt2": decomposed_of,
    "traced.pt": traced_of,
    "scripted.pt": scripted_of,
}
EVERY = pytest.mark.parametrize("name", WRITERS)


def opened(path: Path, **known: object):
    """The readings of a file whose images are known to lie in [0, 1]."""
    given = Hints("options", input_shape=SHAPE, **known).with_preprocessing(Preprocessing())
    return open_readings(path, LoadOptions(given), confined=True)


class Student(nn.Module):
    """Flattens by its own sizes, and may answer in probabilities."""

    def __init__(self, head: nn.Module | None = None) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 3), nn.Linear(6 * 5 * 5, 4)
        self.head = head or nn.Identity()

    def forward(self, x):
        x = nn.functional.max_pool2d(self.conv(x).relu(), 2)
        return self.head(self.fc(x.view(x.size(0), -1)))


def agrees(classifier: Classifier, network: nn.Module) -> None:
    x = torch.rand(5, *SHAPE)
    expected = network(x).detach()
    for images in (x, x.contiguous(memory_format=torch.channels_last), x[:1]):
        torch.testing.assert_close(
            classifier.logits(images), expected[: len(images)], atol=1e-5, rtol=1e-4
        )
    slope = x.clone().requires_grad_()
    classifier.logits(slope).square().sum().backward()
    assert slope.grad is not None
    assert bool(slope.grad.any())


@EVERY
def test_a_network_that_flattens_by_its_sizes(name: str, tmp_path: Path) -> None:
    network = Student().eval()
    WRITERS[name](network, tmp_path / name)
    (reading,) = opened(tmp_path / name)
    agrees(reading.classifier, network)


@EVERY
@pytest.mark.parametrize("head", [nn.Softmax(1), nn.LogSoftmax(-1), nn.Sigmoid()])
def test_a_head_in_any_program_is_left_out(name: str, head: nn.Module, tmp_path: Path) -> None:
    network = Student(head).eval()
    WRITERS[name](network, tmp_path / name)
    (reading,) = opened(tmp_path / name)
    assert reading.classifier.output == "logits"
    network.head = nn.Identity()
    agrees(reading.classifier, network)


class Baked(nn.Module):
    """Its shapes are those of the example: a class token that is repeated, a flattening view."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 4, 4), nn.Linear(60, 4)
        self.token = nn.Parameter(torch.rand(1, 6, 1))

    def forward(self, x):
        count = int(x.shape[0])
        x = torch.cat([self.token.expand(count, -1, -1), self.conv(x).flatten(2)], 2)
        return self.fc(x.reshape(count, 60))


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "scripted.pt"])
@pytest.mark.parametrize("batch", [1, 2, 8])
def test_a_program_for_one_size_of_batch_takes_any(name: str, batch: int, tmp_path: Path) -> None:
    network = Baked().eval()
    WRITERS[name](network, tmp_path / name, batch)
    (reading,) = opened(tmp_path / name)
    agrees(reading.classifier, network)


def test_a_batch_is_run_in_the_fastest_way_that_is_right() -> None:
    class Mixing(nn.Module):
        """Two images at once, each with the other's mean: no way but its own is right."""

        def forward(self, x):
            return x.view(2, 3).flip(0) + x.mean().item()

    baked = nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Flatten())
    baked.forward = lambda x: x.view(2, 3) * 2
    ways = []
    for network in (nn.Identity(), baked, Mixing()):
        fixed = FixedBatch(network, 2)
        found = fixed(torch.arange(9.0).view(3, 3))
        assert found.shape == (3, 3)
        ways.append(fixed._way)
    assert ways == ["as it is", "vectorised", "one batch after another"]


def test_what_takes_no_batch_is_none() -> None:
    assert for_any_batch(nn.Linear(4, 2), (3,)) is None
    assert isinstance(for_any_batch(nn.Unflatten(0, (2, 2)), (3,)), FixedBatch)
    free = nn.Linear(3, 2)
    assert for_any_batch(free, (3,)) is free


class Heads(nn.Module):
    """Features, two vectors of classes and their probabilities, as ``answer`` puts them."""

    def __init__(self, answer: Callable) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.ReLU(), nn.Flatten())
        self.aux, self.fc = nn.Linear(54, 4), nn.Linear(54, 4)
        self.answer = answer

    def forward(self, x):
        features = self.body(x)
        return self.answer(features, self.aux(features), self.fc(features))


ANSWERS: dict[str, tuple[Callable, list[str]]] = {
    "auxiliary first": (lambda f, a, z: {"aux": a, "logits": z}, ["logits", "aux"]),
    "features first": (lambda f, a, z: {"features": f, "logits": z}, ["logits"]),
    "unnamed features": (lambda f, a, z: (f, z), ["1"]),
    "pooled features": (lambda f, a, z: {"x": f.clone() + 0, "y": z}, ["y"]),
    "probabilities": (lambda f, a, z: {"probabilities": z.softmax(1), "logits": z}, ["logits"]),
    "two of a kind": (lambda f, a, z: (z, a), ["0", "1"]),
    "nested": (lambda f, a, z: {"aux": [a], "main": {"y": z}}, ["main.y", "aux.0"]),
}


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("name", ["exported.pt2", "traced.pt"])
def test_every_output_that_may_be_classes_is_read(kind: str, name: str, tmp_path: Path) -> None:
    if kind == "nested" and name == "traced.pt":
        return  # TorchScript has no mappings of two kinds of values
    answer, expected = ANSWERS[kind]
    network = Heads(answer).eval()
    if name == "exported.pt2":
        exported_of(network, tmp_path / name)
    else:
        x = torch.rand(2, *SHAPE)
        torch.jit.save(torch.jit.trace(network, x, strict=False), tmp_path / name)
    readings = opened(tmp_path / name)
    assert [reading.part for reading in readings] == [f"output:{output}" for output in expected]
    x = torch.rand(5, *SHAPE)
    features = network.body(x)
    for reading, output in zip(readings, expected, strict=True):
        right = (
            network.aux if "aux" in output or (len(expected) == 2 and output == "1") else network.fc
        )
        torch.testing.assert_close(reading.classifier.logits(x), right(features))
        facts = {fact.name: fact.value for fact in reading.classifier.facts}
        assert facts["output"] == output
        assert ("outputs not scanned" in facts) == (len(expected) == 1)


def test_named_outputs_of_onnx(tmp_path: Path) -> None:
    network = Heads(lambda f, a, z: (a, z, f)).eval()
    onnx_of(network, tmp_path / "m.onnx", output_names=["aux", "logits", "embedding"])
    first, second = opened(tmp_path / "m.onnx")
    assert (first.part, second.part) == ("output:logits", "output:aux")
    facts = {fact.name: fact.value for fact in first.classifier.facts}
    assert facts["outputs not scanned"] == "embedding (54,)"


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_module_with_several_outputs(kind: str) -> None:
    answer, expected = ANSWERS[kind]
    network = Heads(answer).eval()
    classifier = Classifier(network, SHAPE)
    assert list(classifier.outputs) == expected
    x = torch.rand(5, *SHAPE)
    torch.testing.assert_close(classifier.logits(x), network.fc(network.body(x)))
    for output in expected[1:]:
        other = Classifier(network, SHAPE, part=output)
        torch.testing.assert_close(other.logits(x), network.aux(network.body(x)))


class Prepared(nn.Module):
    """Does something to its images before its first layer."""

    def __init__(self, prepare: Callable, channels: int = 3) -> None:
        super().__init__()
        self.prepare, self.net = prepare, nn.Sequential(nn.Conv2d(channels, 4, 3), nn.Flatten())
        self.register_buffer("mean", IMAGENET[0].view(3, 1, 1))
        self.register_buffer("std", IMAGENET[1].view(3, 1, 1))

    def forward(self, x):
        return self.net(self.prepare(self, x))


UNIT, WHOLE = (0.0, 1.0), (0.0, 255.0)
PREPARATIONS: dict[str, tuple[Callable, tuple[float, float] | None]] = {
    "subtract and divide": (lambda m, x: (x - m.mean) / m.std, UNIT),
    "bytes, subtract and divide": (lambda m, x: (x / 255 - m.mean) / m.std, WHOLE),
    "scale and shift": (lambda m, x: x * 2 - 1, UNIT),
    "bytes to one": (lambda m, x: x / 255, WHOLE),
    "bytes around nothing": (lambda m, x: x / 127.5 - 1.0, WHOLE),
    "mean of bytes": (lambda m, x: x - m.mean * 255, WHOLE),
    "folded": (lambda m, x: x * (1 / (m.std * 255)) + (-m.mean / m.std), WHOLE),
    "clipped": (lambda m, x: (x.clamp(0, 1) - 0.5) / 0.5, UNIT),
    "resized": (
        lambda m, x: nn.functional.interpolate((x - m.mean) / m.std, scale_factor=2.0), UNIT
    ),
    "reversed channels": (lambda m, x: ((x - m.mean) / m.std).flip(1), UNIT),
    "nothing": (lambda m, x: x, None),
    "nothing but a copy": (lambda m, x: x.clone().float(), None),
    "its own mean": (lambda m, x: (x - x.mean((2, 3), keepdim=True)) / m.std, None),
    "two ways": (lambda m, x: (x - 0.5) / 0.5 + x.relu(), None),
    "a learned norm": (
        lambda m, x: nn.functional.batch_norm(x, m.mean.view(3), m.std.view(3)), None
    ),
    "already normalised": (lambda m, x: x * 0.458 - 0.03 * torch.ones(3, 1, 1) * -1, None),
}  # fmt: skip


@pytest.mark.parametrize("how", PREPARATIONS)
def test_what_a_network_does_to_its_images_is_found(how: str) -> None:
    prepare, expected = PREPARATIONS[how]
    hints = first_steps(Prepared(prepare), SHAPE, Hints("nothing"))
    assert hints.input_range == expected
    if expected:
        assert (hints.mean, hints.std) == ((0.0,), (1.0,))
    assert ("reversed" in hints.source) == (how == "reversed channels")


@EVERY
def test_a_program_that_normalises_has_one_reading(name: str, tmp_path: Path) -> None:
    network = Prepared(lambda m, x: (x / 255 - m.mean) / m.std).eval()
    if name == "scripted.pt":
        return  # the same in words that TorchScript reads is the traced one
    WRITERS[name](network, tmp_path / name)
    given = LoadOptions(Hints("options", input_shape=SHAPE))
    (reading,) = open_readings(tmp_path / name, given, confined=True)
    preprocessing = reading.classifier.preprocessing
    assert preprocessing == Preprocessing(input_range=WHOLE)
    assert not reading.classifier.assumptions
    (said,) = {f.source for f in reading.classifier.facts if f.name == "mean"}
    assert said == "its first steps: (x - 124,116,104) / 58.4,57.1,57.4"


@pytest.mark.parametrize("name", ["traced.pt", "exported.pt2", "new.onnx", "old.onnx"])
def test_half_precision_runs_in_single(name: str, tmp_path: Path) -> None:
    network = Student().eval()
    half = Student().eval()
    half.load_state_dict(network.state_dict())
    half = half.half()
    x = torch.rand(2, *SHAPE).half()
    if name == "traced.pt":
        torch.jit.save(torch.jit.trace(half, x), tmp_path / name)
    elif name == "exported.pt2":
        program = torch.export.export(half, (x,), dynamic_shapes=({0: BATCH},))
        torch.export.save(program, tmp_path / name)
    else:
        new = name == "new.onnx"
        more = {"dynamic_shapes": ({0: BATCH},)} if new else {"dynamic_axes": {"x": {0: "n"}}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                half, (x,), tmp_path / name, dynamo=new, input_names=["x"], verbose=False, **more
            )
    readings = open_readings(tmp_path / name, LoadOptions(
        Hints("options").with_preprocessing(Preprocessing())
    ) if name != "traced.pt" else LoadOptions(
        Hints("options", input_shape=SHAPE).with_preprocessing(Preprocessing())
    ), confined=True)  # fmt: skip
    found = readings[0].classifier
    held = [v.dtype for v in found.model.state_dict().values() if v.is_floating_point()]
    assert set(held) == {torch.float32}
    images = torch.rand(4, *SHAPE)
    torch.testing.assert_close(found.logits(images), network(images), atol=2e-3, rtol=1e-2)
