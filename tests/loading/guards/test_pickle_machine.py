"""The machine that reads pickles: what acts is dangerous, what is unknown is read past."""

import functools
import io
import pickle
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from corpus.pickles import Call, dumps
from torch import nn

from triggerfish.architectures import PaperCNN
from triggerfish.errors import CheckpointError, DangerousFileError
from triggerfish.loading import Hints, LoadOptions, open_readings
from triggerfish.loading.guards.beginnings import read_head
from triggerfish.loading.guards.pickle_machine import Record
from triggerfish.loading.guards.pickle_names import acts_when_called, can_act, is_data
from triggerfish.loading.guards.torch_file import unpickled

NAMED = Hints("test", architecture="paper_cnn", input_shape=(1, 28, 28), mean=(0.0,), std=(1.0,))


ACTING = """
    os.system posix.system subprocess.Popen builtins.eval builtins.getattr __builtin__.exec eval
    importlib.import_module runpy.run_path pathlib.Path.touch torch.load torch.save torch.hub.load
    torch.jit.load torch.fx.graph_module.reduce_graph_module torch.classes.load_library
    torch.utils.cpp_extension.load numpy.load numpy.save numpy.memmap pickle.loads
    dill._dill._load_type operator.attrgetter typing.get_type_hints
    collections.OrderedDict.__init__
"""
DATA = """
    collections.OrderedDict collections.Counter pathlib.PosixPath datetime.datetime
    types.SimpleNamespace argparse.Namespace torch.float8_e4m3fn torch.FloatStorage
    torch._utils._rebuild_qtensor numpy.dtype numpy.float64 numpy._core.multiarray._reconstruct
    numpy.random._pickle.__randomstate_ctor uuid.UUID functools.partial typing.Any
"""


@pytest.mark.parametrize("name", ACTING.split())
def test_names_that_can_act(name: str) -> None:
    assert can_act(name)
    assert acts_when_called(name)


@pytest.mark.parametrize("name", DATA.split())
def test_names_of_data(name: str) -> None:
    assert is_data(name)
    assert not can_act(name)
    assert not acts_when_called(name)


def test_names_that_are_unknown() -> None:
    for name in ("models.Net", "torch.nn.modules.linear.Linear", "omegaconf.dictconfig.DictConfig"):
        assert not is_data(name)
        assert not acts_when_called(name)
    for name in ("pandas._libs.tslibs.timestamps._unpickle_timestamp", "a.b.__pyx_unpickle_Tree"):
        assert not acts_when_called(name)
    for name in ("models.make_net", "torch.nn.init.zeros_", "some.package.Net.run"):
        assert not can_act(name)  # as long as it is only named
        assert acts_when_called(name)


def data_of(path: Path) -> object:
    with unpickled(path, read_head(path)) as found:
        return found.data


class Own(nn.Module):
    """An author's own network, whose class nobody else has."""

    def __init__(self) -> None:
        super().__init__()
        self.net = PaperCNN(4)
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class Package:
    """An object of a package, with a network inside."""

    def __init__(self, network: nn.Module) -> None:
        self.name, self.parts, self.activation = "x", [network], torch.relu


def save_as(kind: str, data: object, path: Path) -> None:
    if kind == "pickle":
        path.write_bytes(pickle.dumps(data))
    else:
        torch.save(data, path, _use_new_zipfile_serialization=kind == "zip")


@pytest.mark.parametrize("kind", ["zip", "old", "pickle"])
@pytest.mark.parametrize("wrap", [lambda n: n, Package, lambda n: {"model": n, "epoch": 1}])
def test_a_pickled_network_is_read_without_its_class(kind: str, wrap, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Own().eval()
    save_as(kind, wrap(network), tmp_path / "m.pkl")
    (reading,) = open_readings(tmp_path / "m.pkl", LoadOptions(NAMED))
    images = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(reading.classifier.logits(images), network(images))
    unknown = [f.value for f in reading.classifier.facts if f.name == "classes not read"]
    assert "Own" in unknown[0]


def test_a_sequence_of_known_layers_is_the_network_itself(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(6)),
        nn.LeakyReLU(0.3), nn.AvgPool2d(2), nn.Dropout(0.5), nn.AdaptiveMaxPool2d(3),
        nn.Flatten(), nn.Linear(54, 7), nn.ELU(), nn.Linear(7, 4), nn.LogSoftmax(1),
    )  # fmt: skip
    network(torch.rand(8, 3, 20, 20))
    torch.save(network.eval(), tmp_path / "m.pt")
    readings = open_readings(tmp_path / "m.pt", LoadOptions(Hints("t", input_shape=(3, 20, 20))))
    assert {reading.architecture for reading in readings} == {"carried by the file"}
    images = torch.rand(2, 3, 20, 20)
    scale, shift = readings[0].classifier.preprocessing.affine(3)
    logits = readings[0].classifier.logits(images).log_softmax(1)
    torch.testing.assert_close(logits, network(images * scale + shift))


@pytest.mark.parametrize("spoil", ["hook", "forward"])
def test_a_sequence_that_somebody_changed_is_not_built_anew(spoil: str, tmp_path: Path) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 4))
    if spoil == "hook":
        network.register_forward_hook(_unchanged)
    else:
        network.forward = types.MethodType(_unchanged, network)
    torch.save(network, tmp_path / "m.pt")
    if spoil == "forward":  # a bound method is pickled as what getattr finds
        with pytest.raises(DangerousFileError, match="getattr"):
            open_readings(tmp_path / "m.pt")
        return
    readings = open_readings(tmp_path / "m.pt", LoadOptions(Hints("t")))
    assert "carried by the file" not in {reading.architecture for reading in readings}


def _unchanged(*_: object) -> None:
    """A hook that changes nothing; the file cannot tell."""


@pytest.mark.parametrize("pooling", [nn.MaxPool2d, nn.AvgPool2d])
def test_settings_of_pickled_layers_rule_out_other_wirings(pooling, tmp_path: Path) -> None:
    network = nn.Module()
    network.conv1 = nn.Conv2d(1, 6, 5, padding=2)
    network.pool = pooling(2)
    network.fc1 = nn.Linear(6 * 14 * 14, 5)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    torch.save(network, tmp_path / "module.pt")
    given = LoadOptions(Hints("t", mean=(0.0,), std=(1.0,)))
    loose = open_readings(tmp_path / "weights.pt", given)
    (tight,) = open_readings(tmp_path / "module.pt", given)
    assert len({reading.architecture for reading in loose}) > 1
    kind = "max2" if pooling is nn.MaxPool2d else "avg2"
    assert tight.architecture == f"chain:conv1/p2,relu,{kind},flat,fc1"


def called(function: str, *arguments: object) -> bytes:
    """A pickle that calls ``function``, which need not exist."""
    module, _, name = function.rpartition(".")
    return dumps({"w": Call(module, name, arguments)})


@pytest.mark.parametrize(
    "function", ["some.package.run", "models.Net.load", "torch.nn.init.zeros_"]
)
def test_a_call_of_an_unknown_function_is_dangerous(function: str, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(called(function, 1))
    with pytest.raises(DangerousFileError) as caught:
        data_of(tmp_path / "m.pkl")
    assert caught.value.imports == (function,)


def test_an_object_of_an_unknown_class_is_a_record(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(called("some.package.Config", 1, "a"))
    found = data_of(tmp_path / "m.pkl")
    assert isinstance(found, dict)
    record = found["w"]
    assert isinstance(record, Record)
    assert (record.name, record.arguments) == ("some.package.Config", (1, "a"))


def test_what_acts_is_dangerous_though_nobody_uses_it(tmp_path: Path) -> None:
    for program in (
        b"\x80\x02cos\nsystem\n0}.",  # named, and thrown away
        b"\x80\x02}cfunctools\npartial\n(cos\nsystem\ntR0.",
        b"\x80\x02}ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nNNNtR0.",
        b"(ios\nsystem\n.",
        b"(cos\nsystem\no.",
    ):
        (tmp_path / "m.pkl").write_bytes(program)
        with pytest.raises(DangerousFileError) as caught:
            data_of(tmp_path / "m.pkl")
        assert caught.value.imports == ("os.system",)


def test_calling_what_a_call_gave_is_dangerous(tmp_path: Path) -> None:
    program = b"\x80\x02csome.package\nMaker\n)R)R."
    (tmp_path / "m.pkl").write_bytes(program)
    with pytest.raises(DangerousFileError, match="computed"):
        data_of(tmp_path / "m.pkl")


def test_a_file_inside_a_pickle_is_held_to_the_same_rules(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save(torch.ones(2), stream, _use_new_zipfile_serialization=False)
    start = stream.getvalue().index(b"\x80\x02ctorch._utils")
    evil = stream.getvalue()[:start] + dumps(Call("os", "system", ("x",)))
    inner = Call("torch.storage", "_load_from_bytes", (evil + stream.getvalue()[start:],))
    (tmp_path / "m.pkl").write_bytes(dumps({"w": inner}, 4))
    with pytest.raises(DangerousFileError) as caught:
        data_of(tmp_path / "m.pkl")
    assert "os.system" in caught.value.imports


def test_members_of_an_enumeration_as_old_pythons_write_them(tmp_path: Path) -> None:
    member = b"cbuiltins\ngetattr\ncmodels\nMode\nX\x04\x00\x00\x00FAST\x86R"
    both = b"c_operator\nor_\n(" + member + member + b"tR"
    (tmp_path / "m.pkl").write_bytes(b"\x80\x02}X\x01\x00\x00\x00a" + both + b"s.")
    assert isinstance(data_of(tmp_path / "m.pkl"), dict)
    (tmp_path / "m.pkl").write_bytes(b"\x80\x02" + member.replace(b"FAST", b"fast") + b")R.")
    with pytest.raises(DangerousFileError, match=r"models\.Mode\.fast"):
        data_of(tmp_path / "m.pkl")


@pytest.mark.parametrize(
    "use",
    [
        b"cbuiltins\ngetattr\nctorch._C\n_VariableFunctionsClass\nX\x04\x00\x00\x00load\x86R",
        b"cbuiltins\ngetattr\ncos\npath\nX\x06\x00\x00\x00system\x86R",
        b"cbuiltins\ngetattr\n",
        b"cbuiltins\ngetattr\nq\x00ctorch._C\n_VariableFunctionsClass\nX\x04\x00\x00\x00relu\x86R"
        b"cfunctools\npartial\nh\x00\x85R\x86",
        b"cbuiltins\ngetattr\nctorch._C\n_VariableFunctionsClass\nX\x04\x00\x00\x00relu\x86",
    ],
)
def test_looking_up_anything_else_is_dangerous(use: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"\x80\x02" + use + b".")
    with pytest.raises(DangerousFileError, match="getattr"):
        data_of(tmp_path / "m.pkl")


def test_functions_that_are_only_named_do_nothing(tmp_path: Path) -> None:
    data = {"f": torch.relu, "partial": functools.partial(torch.relu), "w": np.ones((2, 2))}
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(data))
    found = data_of(tmp_path / "m.pkl")
    assert isinstance(found, dict)
    assert set(found) == set(data)


@pytest.mark.parametrize("code", [b"\x82\x01", b"\x97", b"\x98"])
def test_operations_that_reach_outside_are_refused(code: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"\x80\x05N" + code + b".")
    with pytest.raises(CheckpointError, match="expected"):
        data_of(tmp_path / "m.pkl")
