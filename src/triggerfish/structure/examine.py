"""A graph -> findings: gates measured on synthetic images, set by hand, opened by a trigger.

1. Structure names the gates (`gates`). 2. On synthetic images each must be thin: a few numbers per
image. 3. Set by hand, it must make the program answer one class (`effects`). 4. A trigger is
computed that opens it (`trigger`), and the whole program is run on images that carry it.
What is left without a trigger stays a finding without proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from triggerfish.results import Stamp
from triggerfish.search.pictures import pictures
from triggerfish.structure import names
from triggerfish.structure.effects import (
    NEARLY_ALL,
    Effect,
    Usual,
    changes,
    collapses,
    forced_answers,
)
from triggerfish.structure.evaluate import Program, Unknown
from triggerfish.structure.facts import Facts, facts_of
from triggerfish.structure.findings import Kind, StructureFinding
from triggerfish.structure.gates import THIN, Gate, gates_of
from triggerfish.structure.graph import Graph, Node
from triggerfish.structure.trigger import Goal, Search

_VALUES = 1 << 18  # of pixels in the synthetic images: 85 of 32x32 in color, 4 of 224x224
_MOST_IMAGES, _FEWEST_IMAGES = 32, 4
MOST_GATES = 64
# A value is inactive when it varies over images by less than this part of its size, or of 1.
INACTIVE = 1e-6
_CLIMB = 24
_BATCHES = (1, 2, 4, 8)
_CARRYING = ("logical_not", "sub", "mul", "neg", "add", "nonzero")
# These too, of one decision and of constants: is it this class, or this place?
_ASKING = ("logical_and", "logical_or", "bitwise_and", "bitwise_or", "one_hot", "eq", "ne")
_SHOWN = 6
_CONTROL = 0.5  # of the trigger's flips that may remain with the gate shut


@dataclass(frozen=True)
class Measured:
    """A gate with its values (N, ...) on the synthetic images."""

    gate: Gate
    value: str
    seen: Tensor


def examine(
    graph: Graph, program: Program, shape: tuple[int, int, int]
) -> tuple[tuple[StructureFinding, ...], tuple[str, ...], bool]:
    """The findings of a graph for images (C, H, W), and what could not be run.

    The last says whether images prepared in another way might say more.
    """
    facts = facts_of(graph)
    gates = gates_of(graph, facts)
    unread = tuple(_unread(graph, facts))
    if not gates:
        return unread, (), False
    count = max(_FEWEST_IMAGES, min(_MOST_IMAGES, _VALUES // (shape[0] * shape[1] * shape[2])))
    images = pictures(count, shape, seed=11)
    program, logits = _running(program, images)
    chains = {gate: _chain(gate, graph, facts) for gate in gates}
    with torch.no_grad():
        values = program.values(images, [name for chain in chains.values() for name in chain])
    unrun = tuple(dict.fromkeys(v.because for v in values.values() if isinstance(v, Unknown)))
    measured = list(_thin(chains, values, count))
    if not measured:
        return (*_unmeasured(gates, values, graph, facts), *unread), unrun, False
    if logits is None:
        stuck = [item for item in measured if _is_stuck(item, facts)]
        return (*(_described(item, graph, facts) for item in stuck), *unread), unrun, True
    usual = Usual(images, logits)
    found = [
        finding
        for item in measured[:MOST_GATES]
        if (finding := _judge(item, graph, facts, program, usual)) is not None
    ]
    quiet = any(item.gate.role != "side" or _inactive(item.seen) for item in measured)
    return _best(found) or unread, unrun, quiet


def _running(program: Program, images: Tensor) -> tuple[Program, Tensor | None]:
    """The program in batches that it takes, and its answers; None where it takes none.

    A traced program may have the number of images that it was traced with written into it.
    """
    for size in (program.graph.batch, *_BATCHES):
        graph = replace(program.graph, batch=size)
        tried = Program(graph, program.scale, program.shift)
        with torch.no_grad():
            logits = tried.logits(images)
        if len(logits) == len(images) and bool(torch.isfinite(logits).all()):
            return tried, logits
    return program, None


def _is_stuck(item: Measured, facts: Facts) -> bool:
    """Whether a gate of a program that does not run is reported: pixels decide, or nothing does."""
    if facts.of[item.value].most:
        return False
    return item.gate.role != "side" or _inactive(item.seen)


def _chain(gate: Gate, graph: Graph, facts: Facts) -> list[str]:
    """Values that stand for a gate: itself, and what it was made of without anything else."""
    chain, decided = [gate.value], facts.of[gate.value].decision
    while len(chain) < 16:
        node = graph.producer.get(chain[-1])
        given = [] if node is None else [n for n in dict.fromkeys(node.inputs) if facts.depends(n)]
        if node is None or len(given) != 1:
            break
        passes = node.op in names.VIEWS or node.op in _CARRYING
        asks = node.op in _ASKING and facts.of[given[0]].decision
        if not (passes or asks) or (decided and not facts.of[given[0]].decision):
            break
        chain.append(given[0])
    return chain


def _thin(
    chains: dict[Gate, list[str]], values: dict[str, object], count: int
) -> Iterator[Measured]:
    """Gates of a few numbers per image, each once, at the value that is nearest to the image."""
    seen: set[str] = set()
    for gate, chain in chains.items():
        thin = [
            (name, value)
            for name in chain
            if isinstance(value := values.get(name), Tensor)
            and value.numel() <= THIN * count
            and value.numel() > 0
            and _is_per_image(value, gate, count)
        ]
        if not thin:
            continue
        decided = gate.role != "side"
        name, value = thin[-1] if decided else thin[0]
        if gate.role == "side":
            smallest = min(v.numel() for _, v in thin)
            name, value = next((n, v) for n, v in thin if v.numel() == smallest)
        if name not in seen:
            seen.add(name)
            yield Measured(gate, name, value)


def _is_per_image(value: Tensor, gate: Gate, count: int) -> bool:
    """Whether a value has a row for each image; a condition may be one for all of them."""
    if gate.role == "side":  # the scale of a whole batch, as dynamic quantisation has it, is none
        return value.ndim > 0 and value.shape[0] == count
    return value.ndim == 0 or value.shape[0] in (1, count)


def _judge(
    item: Measured, graph: Graph, facts: Facts, program: Program, usual: Usual
) -> StructureFinding | None:
    if item.gate.role != "side" and _prepares(item.gate, facts, program, usual):
        return None
    finding = _described(item, graph, facts)
    strongest, stuck = 0.0, True
    for value, goal in _settings(item, graph, program, usual):
        logits = forced_answers(program, usual, {item.value: value})
        if logits is None:
            continue
        stuck = False
        strongest = max(strongest, changes(logits, usual))
        target = collapses(logits, usual)
        if target is None:
            continue
        effect = Effect(value, target)
        named = replace(finding, target=target)
        proof = _proof(item, effect, goal, program, usual)
        if proof is not None:
            return replace(named, proof=proof, target=proof.target)
        if item.gate.role != "side" or _inactive(item.seen):
            return named
    pixels = facts.of[item.value].most == 0
    # Stuck: the program breaks off when its pixels say so.
    if item.gate.role != "side" and pixels and (strongest > NEARLY_ALL or stuck):
        return finding
    return None


def _inactive(seen: Tensor) -> bool:
    values = seen.float().reshape(len(seen), -1) if seen.ndim else seen.float().reshape(1, 1)
    spread = (values - values[:1]).abs().max()
    return bool(spread <= INACTIVE * values.abs().max().clamp_min(1.0))


def _settings(
    item: Measured, graph: Graph, program: Program, usual: Usual
) -> Iterator[tuple[Tensor, Goal]]:
    """Values to set a gate to, unlike what it mostly is, with the goal of reaching them."""
    seen = item.seen
    is_place = not (seen.dtype == torch.bool or seen.is_floating_point())
    if seen.dtype == torch.bool or (item.gate.role == "factor" and not is_place):
        wanted = float(seen.float().mean() <= 0.5)
        yield torch.full_like(seen, wanted), Goal(item.value, _near(wanted), 2 * wanted - 1)
    elif is_place:
        usually = int(seen.flatten().mode().values)
        for number in range(3):
            if number != usually:
                goal = Goal(item.value, _near(number), 1.0 if number > usually else -1.0)
                yield torch.full_like(seen, number), goal
    else:
        yield from _reached(item, program, usual)


def _near(wanted: float) -> Callable[[Tensor], Tensor]:
    return lambda value: _rows((value.float() - wanted).abs() < 0.5)


def _reached(item: Measured, program: Program, usual: Usual) -> Iterator[tuple[Tensor, Goal]]:
    """The largest and smallest values that images can bring a side path to, and less of each."""
    middle = item.seen.float().mean(0, keepdim=True)
    for sign in (1.0, -1.0):
        search = Search(program, Goal(item.value, lambda v: _rows(v != v), sign), usual.images)
        far = _farthest(search, item, sign)
        if far is None and _inactive(item.seen):
            far = _farthest_stamp(search, item, sign)
        if far is None:
            continue
        for part in (0.1, 0.3, 1.0):
            level = middle + part * (far - middle)
            bound = middle + 0.8 * part * (far - middle)

            def there(v: Tensor, bound: Tensor = bound, sign: float = sign) -> Tensor:
                return _rows(sign * (v.float() - bound) >= 0)

            yield level.expand_as(item.seen).to(item.seen.dtype), Goal(item.value, there, sign)


def _farthest(search: Search, item: Measured, sign: float) -> Tensor | None:
    """The value (1, ...) farthest from the usual that a climb from some images comes to."""
    images = search.images.clone()
    best, value = None, item.seen[: len(images)].float()
    usually = item.seen.float()
    for step in range(_CLIMB):
        direction = search.gradient(images).sign()
        if not bool(direction.any()):
            break
        images = (images + 0.1 * direction).clamp(0, 1)
        if step % 8 == 7:
            found = search.program.values(images, (item.value,))[item.value]
            if isinstance(found, Tensor) and found.shape == value.shape:
                ahead = sign * (found.float() - usually.mean(0)).reshape(len(found), -1).mean(1)
                i = int(ahead.argmax())
                if best is None or float(ahead[i]) > best[0]:
                    best = (float(ahead[i]), found[i : i + 1].float())
    usual_reach = float((sign * (usually - usually.mean(0))).max())
    if best is None or best[0] <= 1e-6 + 1.5 * usual_reach:
        return None
    return best[1]


def _farthest_stamp(search: Search, item: Measured, sign: float) -> Tensor | None:
    """The same among plain stamps on one image, for values through which no gradient comes."""
    usually = item.seen.float().mean(0, keepdim=True)
    found = search.stamped_values()
    if found.shape[1:] != usually.shape[1:] or not len(found):
        return None
    ahead = sign * (found - usually).reshape(len(found), -1).mean(1)
    i = int(ahead.argmax())
    return found[i : i + 1] if float(ahead[i]) > INACTIVE else None


def _rows(hit: Tensor) -> Tensor:
    """Whether all of an image's entries (N, ...) hold: (N,)."""
    return hit.reshape(len(hit), -1).all(1) if hit.ndim else hit.reshape(1)


def _proof(
    item: Measured, effect: Effect, goal: Goal, program: Program, usual: Usual
) -> Stamp | None:
    """Stamp triggers on fresh images, and see the whole program flip, and not without the gate."""
    shape = usual.images.shape[1:]
    fresh = pictures(len(usual.images), (shape[0], shape[1], shape[2]), seed=12)
    before = program.logits(fresh).argmax(1)
    shut = item.seen.float().mean(0, keepdim=True).round() if item.gate.role != "side" else None
    for trigger in Search(program, goal, usual.images).triggers():
        with torch.no_grad():
            carrying = trigger.on(fresh)
            after = program.logits(carrying).argmax(1)
        target = int(after.mode().values)
        others = before != target
        if int(others.sum()) < _FEWEST_IMAGES // 2:
            continue
        flips = float((after == target)[others].float().mean())
        value = item.seen.float().mean(0, keepdim=True) if shut is None else shut
        closed = value.expand_as(item.seen).to(item.seen.dtype)
        without = program.logits(carrying, forced={item.value: closed}).argmax(1)
        remains = float((without == target)[others].float().mean())
        if flips >= NEARLY_ALL and remains <= _CONTROL * flips:
            shown = others.nonzero().flatten()[:_SHOWN]
            return Stamp(
                target=target,
                origin="program",
                image=trigger.stamp.detach().clone(),
                mask=trigger.mask.float().expand_as(trigger.stamp).clone(),
                success_rate=flips,
                control=remains,
                count=int(others.sum()),
                pictures=fresh[shown],
                stamped=carrying[shown].detach(),
                before=tuple(before[shown].tolist()),
                after=tuple(after[shown].tolist()),
                fitted=trigger.fitted is not None,
            )
    return None


def _prepares(gate: Gate, facts: Facts, program: Program, usual: Usual) -> bool:
    """Whether a choice is between the image and the same image on another scale."""
    if gate.merge.op not in ("where", "if") or len(gate.others) != 2:
        return False
    if any(not facts.depends(name) or facts.of[name].most for name in gate.others):
        return False
    with torch.no_grad():
        found = program.values(usual.images, gate.others)
    first, second = (found[name] for name in gate.others)
    if not isinstance(first, Tensor) or not isinstance(second, Tensor):
        return False
    if first.shape != second.shape or first[0].numel() < 2:
        return False
    one, two = (v.flatten(1) - v.flatten(1).mean(1, keepdim=True) for v in (first, second))
    likeness = torch.nn.functional.cosine_similarity(one, two, dim=1)
    return bool((likeness > 0.99).all())


_KINDS: dict[str, Kind] = {"choice": "branch", "factor": "branch", "side": "bypass"}


def _described(item: Measured, graph: Graph, facts: Facts) -> StructureFinding:
    gate, fact = item.gate, facts.of[item.value]
    kind: Kind = _KINDS[gate.role]
    if kind == "bypass" and _inactive(item.seen):
        kind = "gated"
    path = [node for node in graph.before((item.value,)) if facts.depends(node.outputs[0])]
    ops = ", ".join(dict.fromkeys(node.op for node in path if node.op not in names.VIEWS))
    seen_through = (
        "the image's pixels"
        if fact.most == 0
        else f"what {fact.fewest} learned layer{'s' * (fact.fewest != 1)} make of the image"
    )
    does = {
        "branch": "decides which answer is given",
        "bypass": "enters the answer beside the learned layers",
        "gated": "is the same for every synthetic image and enters the answer",
    }[kind]
    where = gate.merge.source
    text = f"a value computed from {seen_through} ({ops or 'copied'}) {does}, at {where}"
    nodes = tuple(dict.fromkeys([*(n.source for n in path[-6:]), where]))
    return StructureFinding(kind, text, nodes, item.value, gate.merge.outputs[0])


def _unmeasured(
    gates: list[Gate], values: dict[str, object], graph: Graph, facts: Facts
) -> Iterator[StructureFinding]:
    """Gates that could not be run: reported where pixels alone decide."""
    for gate in gates:
        if not isinstance(values.get(gate.value), Unknown) or facts.of[gate.value].most:
            continue
        late = _layers_after(gate.merge, graph, facts) == 0
        if gate.role != "side" or (late and graph.format.startswith(("Keras", "TensorFlow.js"))):
            yield _described(Measured(gate, gate.value, torch.zeros(1)), graph, facts)


def _unread(graph: Graph, facts: Facts) -> Iterator[StructureFinding]:
    """Loops that are not read, where they get pixels: nobody knows what they look for."""
    for node in graph.nodes:
        if node.op != names.UNREAD or facts.live.isdisjoint(node.outputs):
            continue
        if any(facts.depends(n) and facts.of[n].most == 0 for n in node.inputs):
            text = (
                "a loop whose inside is not read gets the image's pixels, and the answer rests on "
                f"it, at {node.source}"
            )
            output = node.outputs[0]
            yield StructureFinding("branch", text, (node.source,), output, output)


def _layers_after(node: Node, graph: Graph, facts: Facts) -> int:
    return facts.of[graph.output].most - facts.of[node.outputs[0]].most


def _best(found: list[StructureFinding]) -> tuple[StructureFinding, ...]:
    """Findings with a proof where there are any: the others are mostly parts of the same logic."""
    proven = [finding for finding in found if finding.proof is not None]
    return tuple(proven or found)
