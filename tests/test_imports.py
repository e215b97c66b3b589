"""Imports point one way; docs/architecture.md has the picture."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import triggerfish

ROOT = Path(triggerfish.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
DETECTION = {
    "ambiguity", "api", "calibrate", "detectors", "loading", "model", "reports", "runs", "scanning",
    "search", "statistics", "structure", "verdict",
}  # fmt: skip

# What a component may import of ours, where that is limited beyond "no cycles".
MAY_IMPORT = {
    "errors": set(),
    "codec": set(),
    "notebook": set(),
    "files": {"errors"},
    "worker": {"errors", "runtime"},
    "parallel": {"errors", "worker"},
    "statistics": set(),
    "results": {"codec", "notebook"},
    "model": {"errors", "results"},
    "search": {"errors", "model"},
    "reports": {"codec", "results"},
    "zoo": {"architectures", "model", "errors", "files", "parallel", "runtime"},
    "architectures": {"errors"},
}
MAY_NOT_IMPORT = {
    **{name: {"zoo", "reproduce", "cli"} for name in DETECTION},
    "detectors": {"scanning", "loading", "reports", "zoo", "reproduce", "cli"},
    "reproduce": {"cli"},
}


def component(file: Path) -> str:
    """The first part below the package: ``reports``, ``scanning``, ..."""
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(file: Path) -> Iterator[str]:
    """Components of ours that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: absolute imports only"
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            package, _, rest = module.partition(".")
            assert package != "benchmarks", f"{file} imports the benchmarks"
            if package == "triggerfish" and rest:
                yield rest.split(".")[0]


GRAPH: dict[str, set[str]] = {}
for path in FILES:
    if path.name != "__main__.py" and path != ROOT / "__init__.py":
        name = component(path)
        GRAPH.setdefault(name, set()).update(set(imported(path)) - {name, "_version"})


def test_the_walk_sees_the_package() -> None:
    assert {"model", "results"} <= GRAPH["scanning"]


# Every component, from the ground up: each imports from layers below its own alone.
LAYERS = (
    {"_version", "architectures", "codec", "doctor", "errors", "notebook", "statistics"},
    {"files", "results", "runtime"},
    {"acceptance", "levels", "model", "reports", "worker"},
    {"parallel", "search", "stored"},
    {"confirmation", "detectors", "trial", "zoo"},
    {"references"},
    {"loading", "verdict"},
    {"ambiguity", "structure"},
    {"stages"},
    {"scanning"},
    {"calibrate", "repairs", "runs"},
    {"api"},
    {"reproduce"},
    {"cli"},
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}


@pytest.mark.parametrize("name", sorted(GRAPH))
def test_every_component_has_a_layer_and_imports_from_below(name: str) -> None:
    assert name in LAYER, f"{name} is new: say in LAYERS what it stands on"
    above = {other for other in GRAPH[name] & LAYER.keys() if LAYER[other] >= LAYER[name]}
    assert not above, f"{name} imports {above}, which stand no lower"


def test_loading_knows_nothing_of_verdicts() -> None:
    assert not GRAPH["loading"] & {"verdict", "stages", "scanning"}


def test_no_cycles() -> None:
    try:
        tuple(TopologicalSorter(GRAPH).static_order())
    except CycleError as error:
        pytest.fail(f"components import each other: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_limited_components(name: str) -> None:
    assert GRAPH[name] <= MAY_IMPORT[name]


@pytest.mark.parametrize("name", sorted(MAY_NOT_IMPORT.keys() & GRAPH.keys()))
def test_forbidden_directions(name: str) -> None:
    assert not GRAPH[name] & MAY_NOT_IMPORT[name]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_only_the_command_line_prints_or_exits(file: Path) -> None:
    if component(file) in ("cli", "__main__"):
        return
    calls = [ast.unparse(n.func) for n in ast.walk(ast.parse(file.read_text()))
             if isinstance(n, ast.Call)]  # fmt: skip
    assert not {"print", "click.echo", "sys.exit", "exit"} & set(calls)
