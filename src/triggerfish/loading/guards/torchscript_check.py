"""Reads TorchScript source without compiling it: which operators and constructs it uses.

PyTorch's interpreter can read and write files (``aten::save``, ``aten::from_file``), call any
registered operator, and run ``__setstate__`` while loading. So the source in the archive must
consist of assignments, branches, counted loops and calls; calls go to pure operators, or to
functions that the archive itself defines.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from triggerfish.errors import DangerousFileError, UnsupportedModelError
from triggerfish.loading.programs.operators import PURE_OPERATORS

_STATEMENTS = (
    ast.Module, ast.ClassDef, ast.FunctionDef, ast.AnnAssign, ast.Assign, ast.If, ast.Return,
    ast.For, ast.Pass, ast.Expr, ast.Raise, ast.Assert, ast.AugAssign,
)  # fmt: skip
_LANGUAGE = """
    annotate unchecked_cast uninitialized int float bool str list tuple len range isinstance min max
    getattr hasattr Tensor List Optional Tuple Dict Final NoneType Module Any number None
    False True AssertionError Exception ValueError RuntimeError NotImplementedError
"""
# Written after "torch." though they are the language's own: comparisons, len, formatted errors.
_TORCH_LANGUAGE = """
    __is__ __isnot__ __not__ __and__ __or__ __getitem__ __contains__ __derive_index
    __range_length __interpolate format len append list str Int Float Bool int float bool Tensor
    is_floating_point is_scripting is_tracing device dtype layout extend insert warn ScalarImplicit
    FloatImplicit IntImplicit inf nan
"""
_PRIM = "NumToTensor RaiseException min max data shape unchecked_cast device dtype is_cuda abs"
_CALLABLE = frozenset(_LANGUAGE.split())
_TORCH = PURE_OPERATORS | frozenset(_TORCH_LANGUAGE.split())
_PRIMITIVES = frozenset(_PRIM.split())
_FORBIDDEN = "__setstate__ __getstate__ classes save load from_file load_library"
_REACHING = frozenset(("save", "load", "from_file", "load_library"))
_NEVER = frozenset(_FORBIDDEN.split())


def check_source(files: dict[str, str], *, any_operator: bool = False) -> None:
    """Check an archive's source files; raises `UnsupportedModelError` for the first misfit.

    ``any_operator`` also lets operators pass that are pure but not known: for programs that are
    read, not run.

    Raises `DangerousFileError` where operators reach for files, libraries or custom code.
    """
    trees = {name: _parse(name, text) for name, text in files.items()}
    _refuse_dangerous(trees.values())
    defined = {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    for name, tree in trees.items():
        for node in ast.walk(tree):
            _check_node(node, name, defined, any_operator)
            if isinstance(node, ast.FunctionDef):
                _check_local_calls(node, name, defined)


def _refuse_dangerous(trees: Iterable[ast.Module]) -> None:
    """Refuse what reaches beyond tensors, with all of its names."""
    chains = {
        ".".join(_chain(node))
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and _is_dangerous(_chain(node))
    }
    if chains:
        names = tuple(sorted(chains))
        raise DangerousFileError(
            f"expected TorchScript of plain tensor operators, got {', '.join(names[:5])}: "
            "running it would reach beyond tensors; save the state dict and pass --arch",
            names,
        )


def _is_dangerous(chain: list[str]) -> bool:
    foreign = chain[0] == "ops" and len(chain) > 2 and chain[1] not in ("aten", "prim", "torch")
    reaching = chain[0] in ("torch", "ops") and chain[-1] in _REACHING
    return (
        foreign or reaching or (chain[:3] == ["__torch__", "torch", "classes"] and len(chain) > 3)
    )


def _parse(name: str, text: str) -> ast.Module:
    # Code that only one of the two parsers sees: TorchScript has its own lexer.
    if not text.isascii() or "\\\n" in text or "\r" in text or "\f" in text or "#" in text:
        raise _refusal(name, "unusual characters")
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refusal(name, f"unreadable code ({type(error).__name__})") from error


def _check_node(node: ast.AST, file: str, defined: set[str], any_operator: bool) -> None:
    if isinstance(node, ast.stmt) and not isinstance(node, _STATEMENTS):
        raise _refusal(file, f"a {type(node).__name__} statement")
    if isinstance(node, (ast.Lambda, ast.comprehension, ast.Await, ast.Yield, ast.NamedExpr)):
        raise _refusal(file, f"a {type(node).__name__} expression")
    if isinstance(node, ast.ClassDef):
        bases = [ast.unparse(base) for base in node.bases]
        if bases not in (["Module"], ["NamedTuple"]) or node.decorator_list or node.keywords:
            raise _refusal(file, f"a class of {', '.join(bases) or 'its own kind'}")
    for name in _identifiers(node):
        if name in _NEVER:
            raise _refusal(file, f"the name {name}")
    _check_roots(node, file)
    if isinstance(node, ast.Call):
        _check_call(node.func, file, defined)
    elif isinstance(node, ast.Attribute):
        _check_chain(node, file, any_operator)


def _check_call(function: ast.expr, file: str, defined: set[str]) -> None:
    if isinstance(function, ast.Attribute):
        if _chain(function)[0] not in ("torch", "ops") and function.attr not in defined:
            raise _refusal(file, f"a call of {function.attr}")
    elif not isinstance(function, ast.Name):
        raise _refusal(file, "a computed call")


def _check_local_calls(function: ast.FunctionDef, file: str, defined: set[str]) -> None:
    """Names are called only when the language has them, or they stand for archive functions.

    A local name could otherwise hold a tensor's method, which may be any operator.
    """
    nodes = list(ast.walk(function))
    aliases: set[str] = set()
    others = {argument.arg for argument in function.args.args}
    for node in nodes:
        if isinstance(node, ast.Assign):
            is_alias = (
                isinstance(node.value, ast.Attribute) and _chain(node.value)[0] == "__torch__"
            )
            names = {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            (aliases if is_alias else others).update(names)
        elif isinstance(node, ast.For):
            others.update(n.id for n in ast.walk(node.target) if isinstance(n, ast.Name))
    allowed = (_CALLABLE | defined | aliases) - others
    for node in nodes:
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id not in allowed:
            raise _refusal(file, f"a call of {called.id}")


def _check_chain(node: ast.Attribute, file: str, any_operator: bool) -> None:
    chain = _chain(node)
    whole = ".".join(chain)
    known = any_operator or chain[-1] in _TORCH
    if chain[0] == "torch" and (len(chain) != 2 or not known):
        raise _refusal(file, f"the operator {whole}")
    primitive = chain[:2] == ["ops", "prim"] and len(chain) == 3 and chain[2] in _PRIMITIVES
    if chain[0] == "ops" and whole != "ops.prim" and not primitive:
        raise _refusal(file, f"the operator {whole}")


def _check_roots(node: ast.AST, file: str) -> None:
    """Refuse ``torch`` and ``ops`` as values: under another name every operator could be called."""
    for child in ast.iter_child_nodes(node):
        bare = isinstance(child, ast.Name) and child.id in ("torch", "ops")
        if bare and not isinstance(node, ast.Attribute):
            raise _refusal(file, "the module torch as a value")


def _chain(node: ast.expr) -> list[str]:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    names.append(node.id if isinstance(node, ast.Name) else "")
    return names[::-1]


def _identifiers(node: ast.AST) -> list[str]:
    names = [getattr(node, key, None) for key in ("id", "attr", "name", "arg")]
    return [name for name in names if isinstance(name, str)]


def _refusal(file: str, found: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"expected TorchScript of plain tensor operators, got {found} in {file}: "
        "trace the model again, or save the state dict and pass --arch"
    )
