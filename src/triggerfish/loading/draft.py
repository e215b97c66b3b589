"""``triggerfish arch init``: a state dict -> Python source of a class that its weights fill.

What the file cannot tell stands in lines marked ``CHOICE``, with the alternatives that fit the
shapes. The file is for the user to edit; nothing here runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.card import read_card
from triggerfish.loading.format import recognise
from triggerfish.loading.hints import LoadOptions
from triggerfish.loading.weights.chain import ACTIVATIONS, split_step
from triggerfish.loading.weights.chain_choices import Chain, chain_choices
from triggerfish.loading.weights.chain_layers import Layer, all_layers, chain_layers
from triggerfish.loading.weights.state_dict import StateDict

MARK = "CHOICE"
_SHOWN = 12
_WEIGHTLESS = {
    "flat": "x.flatten(1)",
    "global_avg": "F.adaptive_avg_pool2d(x, 1)",
}


@dataclass(frozen=True)
class Draft:
    """``source`` is the Python file; ``choices`` how many of its lines are marked; ``chains`` the
    wirings that fit the shapes, the most usual first.
    """

    source: str
    choices: int
    chains: tuple[Chain, ...]


def draft_architecture(path: Path, options: LoadOptions | None = None) -> Draft:
    """The draft for a model file that holds a state dict.

    Raises `UnsupportedModelError` when it holds a whole network, `CheckpointError` when it cannot
    be read.
    """
    kind, head = recognise(path)
    read_card(path)
    state = kind.read(path, head, options or LoadOptions()).state
    if state is None:
        raise UnsupportedModelError(
            f"expected weights without their network, got a {kind.name} that carries it: "
            f"triggerfish scan {path}"
        )
    return draft(state, path.name)


def draft(state: StateDict, name: str) -> Draft:
    """The draft for a state dict from a file called ``name``."""
    chains = chain_choices(state)
    layers = chain_layers(state)
    if chains:
        body = [*_modules(layers, chains[0], chains), "", *_forward(layers, chains)]
    else:
        body = [*_modules(layers or all_layers(state), None, ()), "", *_open_forward(layers)]
    source = "\n".join([*_header(name, chains), *body, ""])
    return Draft(source, source.count(f"# {MARK}"), chains)


def _header(name: str, chains: tuple[Chain, ...]) -> list[str]:
    stem = name.rpartition(".")[0] or name
    lines = [
        f'"""Draft of the network in {name}, from the order and shapes of its weights.',
        "",
        f"Lines marked {MARK} are what the file cannot tell. Edit them, then run",
        f"    triggerfish scan {name} --arch {stem}_arch.py:Network",
    ]
    if chains:
        shown = chains[:_SHOWN]
        lines += ["", f"{len(chains)} wirings fit the shapes; written below is the first of"]
        lines += [f"    {_options(chain)}" for chain in shown]
        if len(chains) > len(shown):
            lines.append(f"    and {len(chains) - len(shown)} more unusual ones")
    return [
        *lines,
        '"""',
        "",
        "import torch.nn.functional as F",
        "from torch import Tensor, nn",
        "",
    ]


def _options(chain: Chain) -> str:
    return f"--arch chain:{chain.text} --input-shape {','.join(map(str, chain.input_shape))}"


def _modules(
    layers: tuple[Layer, ...], chain: Chain | None, chains: tuple[Chain, ...]
) -> list[str]:
    lines = [
        "",
        "class Network(nn.Module):",
        "    def __init__(self) -> None:",
        "        super().__init__()",
    ]
    lines += [f"        self.{p} = nn.ModuleDict()" for p in _parents(layers) if "." not in p]
    lines += [f"        self.{_access(p)} = nn.ModuleDict()" for p in _parents(layers) if "." in p]
    for layer in layers:
        settings = _settings(layer.name, chain)
        others = sorted({_settings(layer.name, other) for other in chains} - {settings})
        text = f"        self.{_access(layer.name)} = {_constructor(layer, settings)}"
        if layer.kind == "conv" and (others or chain is None):
            text += f"  # {MARK} padding, stride; also fits: {_pairs(others)}"
        lines.append(text)
    return lines


def _pairs(settings: list[tuple[int, int]]) -> str:
    return ", ".join(f"{padding}, {stride}" for padding, stride in settings) or "unknown"


def _parents(layers: tuple[Layer, ...]) -> list[str]:
    found: dict[str, None] = {}
    for layer in layers:
        parts = layer.name.split(".")[:-1]
        for i in range(len(parts)):
            found.setdefault(".".join(parts[: i + 1]))
    return list(found)


def _access(name: str) -> str:
    """``features.0`` as the attribute of a module that holds `nn.ModuleDict`s."""
    first, *rest = name.split(".")
    return first + "".join(f'["{part}"]' for part in rest)


def _settings(name: str, chain: Chain | None) -> tuple[int, int]:
    """Padding and stride of a layer in a chain."""
    steps = chain.text.split(",") if chain else []
    return next((split_step(step)[1:] for step in steps if split_step(step)[0] == name), (0, 1))


def _constructor(layer: Layer, settings: tuple[int, int]) -> str:
    bias = "" if layer.bias else ", bias=False"
    if layer.kind == "conv":
        out, channels, high, wide = layer.shape
        kernel = str(high) if high == wide else f"({high}, {wide})"
        padding, stride = settings
        return f"nn.Conv2d({channels}, {out}, {kernel}, padding={padding}, stride={stride}{bias})"
    if layer.kind == "linear":
        return f"nn.Linear({layer.shape[1]}, {layer.shape[0]}{bias})"
    return f"nn.BatchNorm{'2d' if layer.pictures else '1d'}({layer.shape[0]})"


def _forward(layers: tuple[Layer, ...], chains: tuple[Chain, ...]) -> list[str]:
    names = {layer.name for layer in layers}
    pooled = any("max" in chain.text or "avg" in chain.text for chain in chains[1:])
    lines = ["    def forward(self, x: Tensor) -> Tensor:"]
    for step in chains[0].text.split(","):
        name = split_step(step)[0]
        if name in names:
            lines.append(f"        x = self.{_access(name)}(x)")
        elif step in _WEIGHTLESS:
            lines.append(f"        x = {_WEIGHTLESS[step]}")
        elif step in ACTIVATIONS:
            others = ", ".join(other for other in ACTIVATIONS if other != step)
            lines.append(f"        x = F.{step}(x)  # {MARK} activation; as well: {others}")
        else:
            lines.append(_pooling(step, pooled))
    return [*lines, "        return x"]


def _pooling(step: str, open_: bool) -> str:
    kind, window, stride = step[:3], step[3], step[-1] if "s" in step[3:] else step[3]
    other = "avg" if kind == "max" else "max"
    note = f"  # {MARK} kind and place; as well: {other}_pool2d" if open_ else ""
    return f"        x = F.{kind}_pool2d(x, {window}, {stride}){note}"


def _open_forward(layers: tuple[Layer, ...]) -> list[str]:
    """The forward pass where no wiring was found: for the user to write."""
    first = next((layer for layer in layers if layer.kind == "linear"), None)
    needs = f": {first.name} needs {first.shape[1]} values" if first else ""
    return [
        "    def forward(self, x: Tensor) -> Tensor:",
        f"        raise NotImplementedError(  # {MARK} the whole wiring",
        f'            "write the forward pass{needs}"',
        "        )",
    ]
