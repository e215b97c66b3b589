"""One graph for each operator and option that is read, with random numbers.

``python tests/tflite_cases.py`` writes ``tests/loading/data/tflite_operators.npz``: what the LiteRT
runtime (``pip install ai-edge-litert``) answers to each, which the tests compare with.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tflite_files import Op, T, tflite_file

STORED = Path(__file__).parent / "loading" / "data" / "tflite_operators.npz"
SHAPE = (1, 7, 6, 4)
RNG = np.random.default_rng(0)


def f(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def i32(*values: Any) -> Any:
    return np.array(values, np.int32)


def image(seed: int) -> Any:
    return np.random.default_rng(seed).uniform(-2, 2, SHAPE).astype(np.float32)


def window(h: int = 1, w: int = 1, padding: int = 0, act: int = 0, **more: int) -> dict[str, int]:
    return {"StrideH": h, "StrideW": w, "Padding": padding, "FusedActivationFunction": act, **more}


def one(name: str, out: Any, *constants: Any, kind: str = "NONE", **options: Any) -> bytes:
    """A graph of one operator on the image and constants."""
    tensors = [T(SHAPE), *(T(c) for c in constants), T(out)]
    last = len(tensors) - 1
    op = Op(name, list(range(last)), [last], kind, options)
    return tflite_file(tensors, [op], [0], [last])


def windows() -> Iterator[tuple[str, bytes]]:
    conv, depth, pool = "Conv2DOptions", "DepthwiseConv2DOptions", "Pool2DOptions"
    for padding in (0, 1):
        rows, columns = (4, 6) if padding == 0 else (3, 5)
        o = window(2, 1, padding, 1)
        k, b = f(5, 3, 2, 4), f(5)
        yield f"conv {padding}", one("CONV_2D", (1, rows, columns, 5), k, b, kind=conv, **o)
        o = window(2, 1, padding, 3)
        yield (
            f"depthwise {padding}",
            one("DEPTHWISE_CONV_2D", (1, rows, columns, 8), f(1, 3, 2, 8), f(8), kind=depth,
                DepthMultiplier=2, **o),
        )  # fmt: skip
        o = window(2, 1, padding, 0, FilterHeight=3, FilterWidth=2)
        yield f"max {padding}", one("MAX_POOL_2D", (1, rows, columns, 4), kind=pool, **o)
        yield f"average {padding}", one("AVERAGE_POOL_2D", (1, rows, columns, 4), kind=pool, **o)
    o = window(1, 1, 0, 0, DilationHFactor=2, DilationWFactor=2)
    yield "dilated", one("CONV_2D", (1, 7, 6, 3), f(3, 3, 3, 4), f(3), kind=conv, **o)
    o = window(1, 1, 1, 2)
    yield "grouped", one("CONV_2D", (1, 5, 4, 6), f(6, 3, 3, 2), f(6), kind=conv, **o)
    size, kernel = i32(1, 14, 12, 3), f(3, 3, 3, 4)
    tensors = [T(size), T(kernel), T(SHAPE), T((1, 14, 12, 3))]
    op = Op("TRANSPOSE_CONV", [0, 1, 2], [3], "TransposeConvOptions",
            {"Padding": 0, "StrideH": 2, "StrideW": 2})  # fmt: skip
    yield "transposed", tflite_file(tensors, [op], [2], [3])


def arithmetic() -> Iterator[tuple[str, bytes]]:
    for name, kind in (("ADD", "Add"), ("SUB", "Sub"), ("MUL", "Mul"), ("DIV", "Div")):
        for act in (0, 3):
            o = {"FusedActivationFunction": act}
            yield f"{name} {act}", one(name, SHAPE, 2 + abs(f(4)), kind=f"{kind}Options", **o)
    for name in ("MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"):
        yield name, one(name, SHAPE, f(4))
    for (
        name
    ) in "RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 TANH HARD_SWISH ELU EXP ABS NEG SQUARE".split():  # noqa: SIM905
        yield name, one(name, SHAPE)
    yield "LEAKY_RELU", one("LEAKY_RELU", SHAPE, kind="LeakyReluOptions", Alpha=0.3)
    yield "PRELU", one("PRELU", SHAPE, f(1, 1, 4))
    for approximate in (False, True):
        yield f"GELU {approximate}", one("GELU", SHAPE, kind="GeluOptions", Approximate=approximate)
    yield "SOFTMAX", one("SOFTMAX", SHAPE, kind="SoftmaxOptions", Beta=0.7)
    yield "LOGISTIC", one("LOGISTIC", SHAPE)
    yield "LOG_SOFTMAX", one("LOG_SOFTMAX", SHAPE)
    yield "L2", one("L2_NORMALIZATION", SHAPE, kind="L2NormOptions", FusedActivationFunction=0)
    o = {"Radius": 1, "Bias": 1.5, "Alpha": 0.3, "Beta": 0.6}
    kind = "LocalResponseNormalizationOptions"
    yield "LRN", one("LOCAL_RESPONSE_NORMALIZATION", SHAPE, kind=kind, **o)


def shapes() -> Iterator[tuple[str, bytes]]:
    for name in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"):
        for keep, out in ((True, (1, 1, 1, 4)), (False, (1, 4))):
            yield f"{name} {keep}", one(name, out, i32(1, 2), kind="ReducerOptions", KeepDims=keep)
    o = {"FusedActivationFunction": 0, "KeepNumDims": False}
    dense = "FullyConnectedOptions"
    yield "dense", one("FULLY_CONNECTED", (1, 5), f(5, 168), f(5), kind=dense, **o)
    o = {"FusedActivationFunction": 1, "KeepNumDims": True}
    yield "dense kept", one("FULLY_CONNECTED", (1, 7, 6, 5), f(5, 4), f(5), kind=dense, **o)
    yield "RESHAPE", one("RESHAPE", (1, 42, 4), i32(1, 42, 4), kind="ReshapeOptions")
    yield "TRANSPOSE", one("TRANSPOSE", (1, 4, 7, 6), i32(0, 3, 1, 2))
    yield "PAD", one("PAD", (1, 10, 7, 4), i32([0, 0], [1, 2], [0, 1], [0, 0]))
    pads = i32([0, 0], [2, 1], [0, 3], [0, 0])
    yield "PADV2", one("PADV2", (1, 10, 9, 4), pads, np.float32([1.5]).reshape(()))
    for mode in (0, 1):
        o = {"Mode": mode}
        yield f"mirror {mode}", one("MIRROR_PAD", (1, 10, 9, 4), pads, kind="MirrorPadOptions", **o)
    yield "SLICE", one("SLICE", (1, 3, 6, 2), i32(0, 2, 0, 1), i32(1, 3, -1, 2))
    o = {"BeginMask": 2, "EndMask": 4, "ShrinkAxisMask": 8}
    at = (i32(0, 3, 1, 2), i32(1, 6, 2, 3), i32(1, 2, 2, 1))
    yield "STRIDED_SLICE", one("STRIDED_SLICE", (1, 3, 3), *at, kind="StridedSliceOptions", **o)
    for half in (False, True):
        for align in (False,) if half else (False, True):
            o = {"AlignCorners": align, "HalfPixelCenters": half}
            size = i32(11, 4)
            yield (
                f"bilinear {half} {align}",
                one("RESIZE_BILINEAR", (1, 11, 4, 4), size, kind="ResizeBilinearOptions", **o),
            )
            kind = "ResizeNearestNeighborOptions"
            yield (
                f"nearest {half} {align}",
                one("RESIZE_NEAREST_NEIGHBOR", (1, 11, 4, 4), size, kind=kind, **o),
            )
    o = {"BlockSize": 2}
    yield "D2S", one("DEPTH_TO_SPACE", (1, 14, 12, 1), kind="DepthToSpaceOptions", **o)
    o = {"Axis": 3, "FusedActivationFunction": 0}
    yield (
        "CONCAT",
        one("CONCATENATION", (1, 7, 6, 6), f(1, 7, 6, 2), kind="ConcatenationOptions", **o),
    )
    o = {"AdjX": False, "AdjY": True}
    yield (
        "BATCH_MATMUL",
        one("BATCH_MATMUL", (1, 7, 6, 5), f(1, 7, 5, 4), kind="BatchMatMulOptions", **o),
    )


def cases() -> dict[str, bytes]:
    """Name and file of every case, the same each time."""
    global RNG
    RNG = np.random.default_rng(0)
    return dict([*windows(), *arithmetic(), *shapes()])


def main() -> None:
    from ai_edge_litert.interpreter import Interpreter

    found = {}
    for name, data in cases().items():
        interpreter = Interpreter(model_content=data)
        interpreter.allocate_tensors()
        answers = []
        for seed in range(2):
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image(seed))
            interpreter.invoke()
            answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
        found[name] = np.concatenate(answers)
    np.savez_compressed(STORED, **found)
    print(len(found), STORED.stat().st_size)


if __name__ == "__main__":
    main()
