"""ONNX models with foreign operators, foreign files, or tensors that are not there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
from onnx import helper

from corpus.valid import onnx_model, place

Spoil = Callable[[onnx.ModelProto], None]


def _external(location: str, **more: str) -> Spoil:
    def spoil(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": location, **more}.items():
            tensor.external_data.add(key=key, value=value)

    return spoil


def _operator(name: str, domain: str = "") -> Spoil:
    def spoil(model: onnx.ModelProto) -> None:
        model.graph.node[1].op_type, model.graph.node[1].domain = name, domain

    return spoil


def _dims(*dims: int) -> Spoil:
    return lambda model: _set(model.graph.initializer[0].dims, dims)


def _set(field, values) -> None:
    del field[:]
    field.extend(values)


def _nan(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.raw_data = b"\xff" * len(tensor.raw_data)


def _function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Relu", ["a"], ["b"])
    imports = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("", "Relu", ["a"], ["b"], [node], imports))


def _huge(model: onnx.ModelProto) -> None:
    shape = helper.make_tensor("shape", onnx.TensorProto.INT64, [2], [1 << 20, 1 << 20])
    model.graph.initializer.append(shape)
    model.graph.node.insert(3, helper.make_node("ConstantOfShape", ["shape"], ["big"]))
    model.graph.node.insert(4, helper.make_node("Neg", ["big"], ["neg"]))
    model.graph.node.insert(5, helper.make_node("ReduceMax", ["neg"], ["most"], keepdims=0))
    answer = model.graph.node[-1].output[0]
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node("Add", ["before", "most"], [answer]))


def _no_attribute(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type = "MaxPool"


def _attribute(**attribute: object) -> Spoil:
    def spoil(model: onnx.ModelProto) -> None:
        more = [helper.make_attribute(key, value) for key, value in attribute.items()]
        model.graph.node[0].attribute.extend(more)

    return spoil


def _attribute_twice(model: onnx.ModelProto) -> None:
    for strides in ([1, 1], [2, 2]):
        _attribute(strides=strides)(model)


def _wires(number: int, inputs: list[str], outputs: list[str]) -> Spoil:
    def spoil(model: onnx.ModelProto) -> None:
        _set(model.graph.node[number].input, inputs)
        _set(model.graph.node[number].output, outputs)

    return spoil


def _opset(*versions: int) -> Spoil:
    imports = [helper.make_opsetid("", version) for version in versions]
    return lambda model: _set(model.opset_import, imports)


SPOILED: dict[str, Spoil] = {
    "parent": _external("../secret"),
    "passwd": _external("../../../../../../../../etc/passwd"),
    "absolute": _external("/etc/passwd"),
    "symlink": _external("link"),
    "nowhere": _external("nowhere"),
    "no-location": _external(""),
    "folder": _external("."),
    "offset": _external("data", offset="9999999999"),
    "negative": _external("data", offset="-5"),
    "custom": _operator("Evil", "evil.domain"),
    "ml": _operator("Scaler", "ai.onnx.ml"),
    "unknown": _operator("PyFunc"),
    "loop": _operator("Loop"),
    "if": _operator("If"),
    "scan": _operator("Scan"),
    "huge": _dims(1 << 40, 1 << 20),
    "negative-dims": _dims(-1, 1, 3, 3),
    "more-dims": _dims(200, 1, 3, 3),
    "nan": _nan,
    "function": _function,
    "memory": _huge,
    "attribute": _no_attribute,
    "surprise": _attribute(surprise=1),
    "context": _attribute(fixed_batch=1),
    "attribute-type": _attribute(group="1"),
    "attribute-twice": _attribute_twice,
    "huge-pads": _attribute(pads=[1 << 30] * 4),
    "more-inputs": _wires(1, ["a", "a"], ["b"]),
    "no-inputs": _wires(1, [], ["b"]),
    "same-output": _wires(1, ["a"], ["a"]),
    "opset-none": _opset(),
    "opset-old": _opset(1),
    "opset-new": _opset(1 << 40),
    "opset-two": _opset(17, 7),
    "dangling": lambda model: _set(model.graph.node[1].input, ["nothing"]),
    "two-inputs": lambda model: model.graph.input.append(helper.make_empty_tensor_value_info("z")),
    "no-input": lambda model: _set(model.graph.input, []),
    "no-output": lambda model: _set(model.graph.output, []),
    "no-nodes": lambda model: _set(model.graph.node, []),
    "no-weights": lambda model: _set(model.graph.initializer, []),
}


def make(folder: Path, canary: str) -> Iterator[Path]:
    (folder.parent / "secret").write_bytes(b"\0" * 4096)
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "data").write_bytes(b"\0" * 4096)
    for name, spoil in SPOILED.items():
        model = onnx_model()
        spoil(model)
        yield place(folder, f"{name}.onnx", model.SerializeToString())
    yield place(folder, "empty.onnx", b"")
    yield place(folder, "only-version.onnx", b"\x08\x08")
