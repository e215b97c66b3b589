"""The cases that the onnx package ships: each passes, or is one of those that we refuse."""

import importlib
import pkgutil
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx.backend.test.case import node as node_cases
from onnx.backend.test.loader import load_model_tests

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.formats.onnx import opset_of, read_steps
from triggerfish.loading.guards.onnx_file import read_tensor
from triggerfish.loading.programs.graph_network import GraphNetwork
from triggerfish.loading.programs.onnx_operators import OPERATORS

# PyTorch has no arithmetic for these, and no image classifier uses them.
UNSIGNED = {
    f"test_{name}_uint{bits}{expanded}"
    for name in (
        "add", "sub", "div", "min", "max", "mod", "less", "less_equal", "greater", "greater_equal"
    )
    for bits in (16, 32, 64)
    for expanded in ("", "_expanded")
}  # fmt: skip
# Types of less than eight bits, of eight with a fraction, and bfloat16.
SMALL = re.compile("u?int[24](_|$)|float[48]|e4m3|e5m2|bfloat16", re.IGNORECASE)
# What trains, what reduces nothing, and what is no tensor.
OTHERS = {
    "test_batchnorm_example_training_mode",
    "test_batchnorm_epsilon_training_mode",
    *(
        f"test_training_dropout{name}{mask}"
        for name in ("", "_default", "_zero_ratio")
        for mask in ("", "_mask")
    ),
    "test_reduce_max_empty_set",
    "test_reduce_max_empty_set_bool",
    "test_reduce_min_empty_set",
    "test_identity_sequence",
    "test_identity_opt",
    "test_equal_string",
    "test_equal_string_broadcast",
    *(f"test_not_{axes}d" for axes in (2, 3, 4)),  # of opset 1
    *(f"test_resize_tf_crop_and_resize{case}" for case in (
        "", "_axes_2_3", "_axes_3_2", "_extrapolation_value"
    )),
}  # fmt: skip
# The specification divides by ``length_resized - 1``, "the length of the resized tensor"; these
# expect the length before it was rounded down.
CONTRARY = {f"test_resize_downsample_scales_{mode}_align_corners" for mode in ("linear", "cubic")}
# Casts between other types than these are refused: eight bits and fewer, bfloat16, strings.
CASTS = {
    f"test_cast_{a}_to_{b}"
    for a in ("FLOAT", "FLOAT16", "DOUBLE")
    for b in ("FLOAT", "FLOAT16", "DOUBLE")
}


def node_models() -> Iterator[tuple[str, onnx.ModelProto, list, list]]:
    """The single-node cases, of all modules that are named as an operator of ours."""
    ours = {name.lower() for name in OPERATORS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in pkgutil.iter_modules(node_cases.__path__):
            if module.name.replace("_", "") in ours:
                importlib.import_module(f"{node_cases.__name__}.{module.name}")
    for case in node_cases._NodeTestCases:
        yield case.name, case.model, *case.data_sets[0]


def exported_models() -> Iterator[tuple[str, onnx.ModelProto, list, list]]:
    """Small networks that PyTorch exported long ago, at opset 6."""
    for case in load_model_tests(kind="pytorch-converted"):
        folder = Path(case.model_dir)
        sets = [
            [onnx.load_tensor(path) for path in sorted((folder / "test_data_set_0").glob(pattern))]
            for pattern in ("input_*.pb", "output_*.pb")
        ]
        yield case.name, onnx.load(folder / "model.onnx"), *sets


def tensor(value: object) -> torch.Tensor:
    if isinstance(value, onnx.TensorProto):
        return read_tensor(value, Path())
    if not isinstance(value, (np.ndarray, np.generic)):
        raise UnsupportedModelError(f"expected a tensor, got {type(value).__name__}")
    return torch.from_numpy(np.array(value))


def operators(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node} - {"Constant"}


def answers(model: onnx.ModelProto, inputs: list) -> list[torch.Tensor]:
    """What our steps answer; as everywhere, only Split has more than one output."""
    graph = model.graph
    constants, steps = read_steps(graph, Path(), opset_of(model))
    names = [item.name for item in graph.input if item.name not in constants]
    constants |= {name: tensor(value) for name, value in zip(names, inputs, strict=True)}
    outputs = graph.output if operators(model) == {"Split"} else graph.output[:1]
    return [
        GraphNetwork("unused", constants, steps, item.name)(torch.zeros(())) for item in outputs
    ]


def outcome(model: onnx.ModelProto, inputs: list, expected: list) -> str:
    try:
        found = answers(model, inputs)
        wanted = [tensor(value) for value in expected[: len(found)]]
    except (UnsupportedModelError, NotImplementedError, TypeError, IndexError):
        return "refused"
    for ours, theirs in zip(found, wanted, strict=True):
        coarse = theirs.dtype == torch.float16
        torch.testing.assert_close(
            ours.to(theirs.dtype),
            theirs,
            rtol=2e-3 if coarse else 1e-3,  # 1e-3 is the suite's own
            atol=1e-6,
            equal_nan=True,
        )
    return "passed"


def test_every_case_of_our_operators_passes_or_is_refused() -> None:
    counts: Counter[tuple[str, str]] = Counter()
    refused, seen = set(), set()
    for name, model, inputs, expected in node_models():
        if not operators(model) <= OPERATORS.keys() or name in CONTRARY:
            continue
        try:
            result = outcome(model, inputs, expected)
        except Exception as error:
            pytest.fail(f"{name}: {error}")
        seen.add(name)
        refused |= {name} if result == "refused" else set()
        counts.update((operator, result) for operator in operators(model))
    casts = {name for name in seen if name.startswith("test_cast_")} - CASTS
    small = {name for name in seen if SMALL.search(name)}
    assert refused - small == (UNSIGNED | OTHERS | casts) & seen - small
    assert [operator for operator in OPERATORS if not counts[operator, "passed"]] == ["Not"]
    assert len(seen) - len(refused) >= 800


def test_old_exports_of_pytorch_pass_or_are_refused() -> None:
    results = {
        name: outcome(model, inputs, expected)
        for name, model, inputs, expected in exported_models()
        if operators(model) <= OPERATORS.keys()
    }
    # Its Add asks for the broadcasting of opset 6.
    assert [name for name, result in results.items() if result == "refused"] == ["test_Softsign"]
    assert len(results) == 82
