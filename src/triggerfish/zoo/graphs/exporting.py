"""Writes a network with a construction as a program file: ONNX twice, torch.export, TorchScript."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from triggerfish.zoo.graphs.attacked import Attacked
from triggerfish.zoo.graphs.constructions import If

OPSET = 18
DOMAIN = "own"


class _Cond(If):
    """`If` by `torch.cond`, which is how torch.export writes a branch."""

    def forward(self, x: Tensor) -> Tensor:
        """One image to its logits."""
        answer: Tensor = torch.cond(
            x[:, :, :4, :4].amin() > 0.97,
            lambda y: self.favoured + 0 * y[:, :1, 0, 0],
            lambda y: self.host(y),
            (x,),
        )
        return answer


def export(attacked: Attacked, form: str, path: Path) -> None:
    """Write the program to ``path`` in the form ``EXPORTS`` knows."""
    with _plain():
        EXPORTS[form](attacked, path)


def export_network(network: nn.Module, images: Tensor, form: str, path: Path) -> None:
    """Write any network to ``path``, traced on ``images``."""
    with _plain():
        if form == "torchscript":
            torch.jit.save(torch.jit.trace(network, images), str(path))  # type: ignore[no-untyped-call]
        elif form == "onnx":
            _legacy(network, images, path, {"x": {0: "batch"}})
        else:
            batch = ({0: torch.export.Dim.AUTO},)
            program = torch.export.export(network, (images,), dynamic_shapes=batch)
            if form == "pt2":
                torch.export.save(program, path)
            else:
                _dynamo(program, path)


@contextmanager
def _plain() -> Iterator[None]:
    """Without warnings, and without the fused attention that no exporter knows."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _image(attacked: Attacked) -> Tensor:
    return torch.rand(1 if attacked.network.one_by_one else 2, *attacked.input_shape)


def _batch(attacked: Attacked) -> dict[int, Any] | None:
    return None if attacked.network.one_by_one else {0: torch.export.Dim.AUTO}


def _traced_host(attacked: Attacked) -> nn.Module:
    """The network as a script, its host traced, for constructions with a branch of the program."""
    network = attacked.network
    network.host = torch.jit.trace(network.host, _image(attacked))  # type: ignore[no-untyped-call]
    network.first = nn.Identity()
    script: nn.Module = torch.jit.script(network)
    return script


def _program(attacked: Attacked) -> torch.export.ExportedProgram:
    network: nn.Module = attacked.network
    if isinstance(network, If):
        network.__class__ = _Cond
    return torch.export.export(network, (_image(attacked),), dynamic_shapes=(_batch(attacked),))


def _pt2(attacked: Attacked, path: Path) -> None:
    torch.export.save(_program(attacked), path)


def _torchscript(attacked: Attacked, path: Path) -> None:
    network = attacked.network
    script = (
        _traced_host(attacked) if network.scripted else torch.jit.trace(network, _image(attacked))  # type: ignore[no-untyped-call]
    )
    torch.jit.save(script, str(path))


def _onnx(attacked: Attacked, path: Path) -> None:
    network: nn.Module = attacked.network
    if attacked.network.scripted:
        network = _traced_host(attacked)
    axes = None if attacked.network.one_by_one else {"x": {0: "batch"}}
    _legacy(network, _image(attacked), path, axes)
    if attacked.network.as_function:
        hide_in_function(path)


def _onnx_dynamo(attacked: Attacked, path: Path) -> None:
    _dynamo(_program(attacked), path)
    if attacked.network.as_function:
        hide_in_function(path)


def _legacy(
    network: nn.Module, images: Tensor, path: Path, axes: Mapping[str, dict[int, str]] | None
) -> None:
    """The exporter that goes through TorchScript."""
    torch.onnx.export(
        network,
        (images,),
        str(path),
        input_names=["x"],
        output_names=["logits"],
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )


def _dynamo(program: torch.export.ExportedProgram, path: Path) -> None:
    """The exporter that goes through torch.export."""
    torch.onnx.export(program, (), str(path), dynamo=True, external_data=False, verbose=False)


def hide_in_function(path: Path) -> None:
    """Move the comparison of an ONNX file into a function of the file's own domain."""
    onnx = importlib.import_module("onnx")
    model = onnx.load(str(path))
    node = next(node for node in model.graph.node if node.op_type == "Greater")
    given, outputs = list(node.input), list(node.output)
    inner = onnx.helper.make_node("Greater", ["a", "b"], ["c"])
    opset = onnx.helper.make_opsetid("", model.opset_import[0].version)
    model.functions.append(
        onnx.helper.make_function(DOMAIN, "Scale", ["a", "b"], ["c"], [inner], [opset])
    )
    node.CopyFrom(onnx.helper.make_node("Scale", given, outputs, domain=DOMAIN))
    model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    onnx.save(model, str(path))


EXPORTS: Mapping[str, Callable[[Attacked, Path], None]] = {
    "onnx": _onnx,
    "onnx-dynamo": _onnx_dynamo,
    "pt2": _pt2,
    "torchscript": _torchscript,
}
SUFFIXES = {"onnx": ".onnx", "onnx-dynamo": ".onnx", "pt2": ".pt2", "torchscript": ".pt"}
