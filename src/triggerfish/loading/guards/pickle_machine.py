"""A pickle, obeyed by a machine of our own that calls nothing.

Python's unpickler calls what a pickle names. This one keeps a `Record` of each call instead, but
for the few constructors of data that a `Builders` table replaces with its own. So a file whose
classes nobody has installed is read all the same, and one that would run code runs none.
"""

from __future__ import annotations

import io
import pickletools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from triggerfish.errors import CheckpointError, one_line
from triggerfish.loading.guards.pickle_check import code_in_pickle
from triggerfish.loading.guards.pickle_names import (
    LOOK_UPS,
    acts_when_called,
    is_data,
    looked_up,
)
from triggerfish.loading.guards.pickle_scan import COMPUTED

Builder = Callable[..., object]
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Name:
    """A class or function that a pickle names."""

    full: str


@dataclass(eq=False)
class Record:
    """What is kept of an object of a class that is not built: its name, and what it was given.

    ``attributes`` are its state, ``entries`` and ``items`` what it holds as a mapping or a list.
    """

    name: str
    arguments: tuple[object, ...] = ()
    attributes: dict[object, object] = field(default_factory=dict)
    entries: dict[object, object] = field(default_factory=dict)
    items: list[object] = field(default_factory=list)

    def build(self, state: object) -> None:
        """Take the state of the object: a dictionary, or one beside that of the slots."""
        parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
        if not all(part is None or isinstance(part, dict) for part in parts):
            self.attributes.setdefault("state", state)
            return
        for part in parts:
            if isinstance(part, dict):
                self.attributes.update(part)


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, Callable[[], object]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
_PUSHED_NAMES = """
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING
    UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8
    BYTEARRAY8
"""
_PUSHED = frozenset(_PUSHED_NAMES.split())
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARKED: dict[str, Callable[[list[Any]], object]] = {
    "LIST": list,
    "TUPLE": tuple,
    "FROZENSET": frozenset,
}


@dataclass(eq=False)
class Machine:
    """Reads one pickle. ``unknown`` are the names that stand for no data, in order.

    ``builders`` make data of calls by their names; ``persistent`` answers for objects that are
    stored beside the pickle.
    """

    builders: Mapping[str, Builder]
    persistent: Callable[[object], object]
    unknown: dict[str, None] = field(default_factory=dict, init=False)
    _called: dict[str, None] = field(default_factory=dict, init=False)
    # Those on the stack, less those that are harmless.
    _look_ups: Counter[str] = field(default_factory=Counter, init=False)
    _stack: list[Any] = field(default_factory=list, init=False)
    _below: list[list[Any]] = field(default_factory=list, init=False)  # what is under each mark
    _memo: dict[int, object] = field(default_factory=dict, init=False)

    def load(self, data: bytes) -> object:
        """The object in a pickle.

        Raises `DangerousFileError` where something is called that is no class, and
        `CheckpointError` for a broken pickle.
        """
        self._stack, self._below, self._memo = [], [], {}
        try:
            for operation, argument, _ in pickletools.genops(io.BytesIO(data)):
                self._step(operation.name, argument)
            result = self._stack.pop()
        except CheckpointError:
            raise
        except Exception as error:  # a hostile pickle can provoke anything
            raise CheckpointError(
                f"expected a whole pickle, got a broken one: {one_line(error)}"
            ) from error
        finally:
            self._stack, self._below, self._memo = [], [], {}
            # Last, and in place of an error: what a damaged pickle has done so far is said first.
            acting = [name for name in self._called if acts_when_called(name)]
            acting += [name for name, count in self._look_ups.items() if count > 0]
            if acting:
                raise code_in_pickle(tuple(dict.fromkeys(acting)))
        return result

    def call(self, function: object, arguments: object) -> object:
        """What a call gives: data that a builder makes, else a `Record`."""
        if not isinstance(arguments, tuple):
            raise CheckpointError("expected a whole pickle, got a call without arguments")
        if not isinstance(function, Name):
            raise code_in_pickle((COMPUTED,))
        match function.full, arguments:
            case str(name), (Name(owner), str(attribute)) if name in LOOK_UPS:
                found = looked_up(owner, attribute)
                if found is not None:
                    self._look_ups[name] -= 1
                    return Name(found)
        self._called.setdefault(function.full)
        return self._made(function, arguments)

    def _made(self, name: object, arguments: object) -> object:
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise CheckpointError("expected a whole pickle, got an object without a class")
        build = self.builders.get(name.full)
        return Record(name.full, arguments) if build is None else build(*arguments)

    def _step(self, operation: str, argument: Any) -> None:  # noqa: ANN401
        """Obey one operation. Those that act on what is above a mark bring another stack back."""
        stack = self._stack
        match operation:
            case _ if operation in _PUSHED:
                stack.append(argument)
            case "BINPUT" | "LONG_BINPUT" | "PUT" | "MEMOIZE":
                self._memo[len(self._memo) if argument is None else int(argument)] = stack[-1]
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(self._noted(self._memo[int(argument)]))
            case _ if operation in _CONSTANTS:
                stack.append(_CONSTANTS[operation])
            case _ if operation in _EMPTY:
                stack.append(_EMPTY[operation]())
            case _ if operation in _TUPLES:
                count = _TUPLES[operation]
                if len(stack) < count:  # a slice would take fewer without a word
                    raise IndexError("too few values for a tuple")
                stack[-count:] = [tuple(stack[-count:])]
            case "MARK":
                self._below.append(stack)
                self._stack = []
            case _ if operation in _MARKED:
                values = self._since_mark()
                self._stack.append(_MARKED[operation](values))
            case "DICT":
                values = self._since_mark()
                self._stack.append(dict(zip(values[::2], values[1::2], strict=True)))
            case "POP" if stack:
                stack.pop()
            case "POP" | "POP_MARK":
                self._since_mark()
            case "DUP":
                stack.append(self._noted(stack[-1]))
            case "GLOBAL":
                stack.append(self._name(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                if not isinstance(name, str) or not isinstance(module, str):
                    raise code_in_pickle((COMPUTED,))
                stack.append(self._name(f"{module}.{name}"))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(self.call(function, arguments))
            case "INST":  # it and OBJ, of old protocols, call a class with what is above the mark
                values = self._since_mark()
                name = self._name(argument.replace(" ", ".", 1))
                self._stack.append(self.call(name, tuple(values)))
            case "OBJ":
                values = self._since_mark()
                self._stack.append(self.call(values.pop(0), tuple(values)))
            case "NEWOBJ":
                arguments, name = stack.pop(), stack.pop()
                stack.append(self._made(name, arguments))
            case "NEWOBJ_EX":  # the last value holds arguments by name, which no builder takes
                _, arguments, name = stack.pop(), stack.pop(), stack.pop()
                stack.append(self._made(name, arguments))
            case "BUILD":
                self._build(stack.pop())
            case "APPEND":
                self._extend([stack.pop()])
            case "APPENDS" | "ADDITEMS":
                self._extend(self._since_mark())
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._set([key, value])
            case "SETITEMS":
                self._set(self._since_mark())
            case "PERSID" | "BINPERSID":
                stack.append(self.persistent(stack.pop() if argument is None else argument))
            case "PROTO" | "FRAME" | "STOP":
                pass
            case _:
                raise CheckpointError(
                    f"expected weights, got a pickle with the operation {operation}: "
                    "save the state dict with torch.save or safetensors"
                )

    def _since_mark(self) -> list[Any]:
        """Take everything down to the last mark off the stack, and the mark."""
        values, self._stack = self._stack, self._below.pop()
        return values

    def _name(self, text: str) -> Name:
        if not is_data(text):
            self.unknown.setdefault(text)
        return self._noted(Name(text))

    def _noted(self, value: _Value) -> _Value:
        """A value that goes onto the stack: a name that looks others up is counted there."""
        if isinstance(value, Name) and value.full in LOOK_UPS:
            self._look_ups[value.full] += 1
        return value

    def _build(self, state: object) -> None:
        target = self._stack[-1]
        if isinstance(target, Name):
            raise CheckpointError("expected a whole pickle, got a broken one: a state for a class")
        build = getattr(target, "build", None)
        if build is not None:
            build(state)

    def _extend(self, values: list[Any]) -> None:
        target = self._stack[-1]
        items = target.items if isinstance(target, Record) else target
        if isinstance(items, set):
            items.update(values)
        elif isinstance(items, list):
            items.extend(values)
        else:
            raise TypeError("items for an object that is no list")

    def _set(self, pairs: list[Any]) -> None:
        target = self._stack[-1]
        entries = target.entries if isinstance(target, Record) else target
        if not isinstance(entries, dict) or len(pairs) % 2:
            raise TypeError("entries for an object that is no dictionary")
        entries.update(zip(pairs[::2], pairs[1::2], strict=True))
