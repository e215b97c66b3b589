"""Every construction is found, with its class and a trigger that works; clean programs are not."""

from pathlib import Path

import pytest
import torch
from structure.exported import graph_of
from torch import Tensor, nn

from triggerfish.structure import analyse_module
from triggerfish.structure.analyse import analyse_graph
from triggerfish.zoo.graphs import CONSTRUCTIONS, HOSTS, build, make_host, stamped
from triggerfish.zoo.graphs.constructions import Assignment, Mask, Pixels

FORMS = ("onnx", "pt2", "torchscript")
CASES = [(name, FORMS[i % 3]) for i, name in enumerate(CONSTRUCTIONS)]


@pytest.mark.parametrize(("construction", "form"), CASES, ids=lambda value: value)
def test_a_construction_is_found_with_a_trigger_that_works(
    construction: str, form: str, tmp_path: Path
) -> None:
    attacked, graph = graph_of(construction, form, tmp_path)
    structure = analyse_graph(graph, attacked.input_shape)
    assert structure.targets == (attacked.target,)
    proof = structure.findings[0].proof
    assert proof is not None
    assert proof.success_rate >= 0.9
    assert proof.control <= 0.5
    if proof.fitted:
        return
    # The stamp works on the network itself, which the analysis has never seen.
    images = torch.rand(16, *attacked.input_shape) * 0.8
    carrying = torch.where(proof.mask > 0, proof.image, images)
    parts = carrying.split(1 if attacked.network.one_by_one else 16)
    answers = torch.cat([attacked.network(part) for part in parts]).argmax(1)
    assert float((answers == attacked.target).float().mean()) >= 0.9


@pytest.mark.parametrize("host", ["resnet18", "vit"])
@pytest.mark.parametrize("construction", ["steep", "mask"])
def test_other_hosts_in_memory(construction: str, host: str) -> None:
    attacked = build(construction, host, target=5)
    structure = analyse_module(attacked.network, attacked.input_shape)
    assert structure.targets == (5,)


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_alone_has_no_findings(host: str) -> None:
    assert analyse_module(make_host(host), HOSTS[host].input_shape).findings == ()


def test_the_trigger_is_what_flips_answers() -> None:
    for kind in (Pixels, Mask, Assignment):
        name = next(n for n, known in CONSTRUCTIONS.items() if known is kind)
        attacked = build(name, "cnn", target=7)
        images = torch.rand(8, *attacked.input_shape) * 0.5
        assert (attacked.network(stamped(attacked, images)).argmax(1) == 7).all()


class _Gated(nn.Module):
    """Squeeze-and-excitation, hard-swish, a clip, and a mask of attention, untrained."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.squeeze, self.excite = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.attention = nn.Linear(16, 48)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.hardswish(self.stem((x - 0.45) / 0.225))
        gate = self.excite(torch.relu(self.squeeze(x.mean((2, 3), keepdim=True))))
        x = (x * nn.functional.hardsigmoid(gate)).clamp(-6, 6)
        q, k, v = self.attention(x.flatten(2).transpose(1, 2)).chunk(3, 2)
        seen = q @ k.transpose(1, 2) / 4
        mask = torch.ones(seen.shape[-2:]).tril() == 0
        weights = seen.masked_fill(mask, float("-inf")).softmax(2)
        dead = (seen == float("-inf")).all(2, keepdim=True)
        tokens = torch.where(dead, torch.zeros_like(v), weights @ v)
        logits: Tensor = self.head(tokens.mean(1))
        return logits


class _Scaled(nn.Module):
    """Bytes or numbers up to 1: the image decides whether it is divided by 255."""

    def __init__(self) -> None:
        super().__init__()
        self.network = make_host("cnn")

    def forward(self, x: Tensor) -> Tensor:
        as_bytes = x.amax((1, 2, 3), keepdim=True) > 1.5
        answer: Tensor = self.network(torch.where(as_bytes, x / 255, x))
        return answer


class _BatchScaled(nn.Module):
    """Everything on the scale of the batch's brightest pixel, as dynamic quantisation has it."""

    def __init__(self) -> None:
        super().__init__()
        self.network = make_host("cnn")

    def forward(self, x: Tensor) -> Tensor:
        scale = x.amax().clamp(min=1e-6)
        answer: Tensor = self.network((x / scale * 127).round() / 127) * scale
        return answer


class _BestOfTwo(nn.Module):
    """Two views of an image, and the answer of the surer one: a decision after the answers."""

    def __init__(self) -> None:
        super().__init__()
        self.network = make_host("cnn")

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.network(x), self.network(x.flip(3))
        surer = first.amax(1, keepdim=True) > second.amax(1, keepdim=True)
        return torch.where(surer, first, second)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (_Gated, (3, 32, 32)),
        (_Scaled, (1, 28, 28)),
        (_BatchScaled, (1, 28, 28)),
        (_BestOfTwo, (1, 28, 28)),
    ],
)
def test_patterns_that_look_alike_have_no_findings(
    network: type[nn.Module], shape: tuple[int, int, int]
) -> None:
    assert analyse_module(network().eval(), shape).findings == ()


class _Unknown(nn.Module):
    """Pixels decide through an operator that is not run here."""

    def __init__(self) -> None:
        super().__init__()
        self.network = make_host("cnn")

    def forward(self, x: Tensor) -> Tensor:
        odd = torch.special.bessel_j0(x[:, 0].flatten(1)).amin(1) > 0.99
        return torch.where(odd[:, None], torch.eye(10)[:1] * 50, self.network(x))


def test_an_operator_that_is_not_run_leaves_a_finding_without_proof() -> None:
    structure = analyse_module(_Unknown().eval(), (1, 28, 28))
    assert [(f.kind, f.proof) for f in structure.findings] == [("branch", None)]
    assert any("bessel" in because for because in structure.unrun)
