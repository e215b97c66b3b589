"""TorchScript and torch.export programs that reach for files, code, memory or time."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from corpus.valid import Tiny, entry, exported, place, rewrite, tiny, torchscript

# Each replaces the last line of forward in valid TorchScript source; X is the traced input.
STATEMENTS = {
    "save": 'torch.save(x, "CANARY")',
    "from-file": 'return torch.from_file("/etc/passwd", False, 10)',
    "method": '_9 = (x).save("CANARY")',
    "alias": '_8 = torch\n    _9 = (_8).save("CANARY")',
    "bound": "_8 = x.tofile\n    _9 = _8()",
    "ops": "_9 = ops.evil.run(x)",
    "ops-aten": '_9 = ops.aten.save(x, "CANARY")',
    "ops-alias": "_8 = ops\n    _9 = (_8).evil(x)",
    "classes": "_9 = __torch__.torch.classes.evil.Run(x)",
    "while": "while True:\n      x = torch.add(x, 1)",
    "eval": '_9 = eval("1")',
    "exec": 'exec("open()")',
    "import": "import os",
    "from": "from os import system",
    "lambda": "_9 = lambda y: y",
    "with": "with open('CANARY') as f:\n      pass",
    "comment": "return x # type: ignore",
    "unicode": 'return "é"',
    "continued": "return \\\n      x",
    "try": "try:\n      pass\n    finally:\n      pass",
    "global": "global x",
    "delete": "del x",
    "syntax": "return (",
    "computed": "_9 = (x)[0](x)",
    "walrus": "_9 = (y := x)",
    "comprehension": "_9 = [y for y in x]",
    "load": '_9 = torch.load("CANARY")',
    "private": "_9 = torch._foreach_exp(x)",
    "distributed": '_9 = torch.distributed.rpc.rpc_sync("a", x)',
}
CLASSES = {
    "base": "class A(Evil):\n  pass\n",
    "setstate": "class A(Module):\n  def __setstate__(self, x: int) -> None:\n    pass\n",
    "decorated": "@evil\nclass A(Module):\n  pass\n",
    "enum": "class A(Enum):\n  a = 1\n",
}


class Hungry(nn.Module):
    """Asks for a terabyte."""

    def forward(self, x):
        return torch.ones([1 << 20, 1 << 20]).sum() + x.flatten(1)


def make(folder: Path, canary: str) -> Iterator[Path]:
    yield from _torchscript(folder, canary)
    yield from _exported(folder, canary)


def _torchscript(folder: Path, canary: str) -> Iterator[Path]:
    valid = torchscript()
    name = "code/__torch__/corpus/valid.py"
    code = entry(valid, name).decode()
    head = code[: code.rindex("    return ")]
    for label, statement in STATEMENTS.items():
        text = f"{head}    {statement.replace('CANARY', canary)}\n    return x\n"
        data = rewrite(valid, {name: text.encode()})
        yield place(folder, f"script-{label}.pt", data)
    for label, text in CLASSES.items():
        data = rewrite(valid, {name: (text + code).encode()})
        yield place(folder, f"class-{label}.pt", data)
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(Hungry()), stream)
    yield place(folder, "hungry.pt", stream.getvalue())
    spoiled = Tiny()
    spoiled.load_state_dict({k: v * torch.nan for k, v in tiny().state_dict().items()})
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(spoiled), stream)
    yield place(folder, "script-nan.pt", stream.getvalue())


def _exported(folder: Path, canary: str) -> Iterator[Path]:
    valid = exported()
    text = entry(valid, "models/model.json").decode()
    weights = entry(valid, "model_weights_config.json").decode()
    evil = f"__import__('os').system('touch {canary}')"
    targets = (
        "os.system",
        "torch.ops.aten.from_file.default",
        "torch.ops.evil.run.default",
        "torch.ops.aten.conv2d.__class__",
        "torch.ops.aten.conv2d.padding.more",
        "_operator.attrgetter",
        "torch.ops.higher_order.cond",
        "builtins.eval",
        "torch._C._jit_pass",
    )
    for i, target in enumerate(targets):
        changed = text.replace("torch.ops.aten.conv2d.default", target)
        yield place(
            folder, f"target-{i}.pt2", rewrite(valid, {"models/model.json": changed.encode()})
        )
    program = json.loads(text)
    program["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"] = {"as_expr": evil}
    dangling = json.loads(text)
    argument = {"as_tensor": {"name": "nothing"}}
    dangling["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"] = argument
    spoiled = {
        "expression": json.dumps(program),
        "no-graph": "{}",
        "list": "[]",
        "broken": text[:-1],
        "deep": "[" * 100_000,
        "unknown-value": json.dumps(dangling),
    }
    for label, changed in spoiled.items():
        yield place(folder, f"{label}.pt2", rewrite(valid, {"models/model.json": changed.encode()}))
    for label, changed in {
        "pickled": weights.replace('"use_pickle": false', '"use_pickle": true'),
        "traversal": weights.replace("weight_0", "../../../../etc/passwd"),
        "huge": weights.replace('{"as_int": 32}', '{"as_int": 1152921504606846976}'),
        "negative": weights.replace('{"as_int": 32}', '{"as_int": -32}'),
        "empty": "{}",
    }.items():
        config = {"model_weights_config.json": changed.encode()}
        config = {f"data/weights/{key}": value for key, value in config.items()}
        yield place(folder, f"weights-{label}.pt2", rewrite(valid, config))
    short = rewrite(valid, {"data/weights/weight_0": b"\0"})
    yield place(folder, "weights-short.pt2", short)
    old = rewrite(valid, {"models/model.json": None, "serialized_exported_program.json": b"{}"})
    yield place(folder, "old.pt2", old)
