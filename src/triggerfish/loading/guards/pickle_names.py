"""What a name in a pickle can do: stand for data, act, or nothing that is known.

A pickle names classes and functions, and opening it the usual way calls them. Nothing is called
here; the names decide whether a file is *dangerous*. Those that can act make it so, wherever they
stand. What is merely unknown (an author's own class) is skipped over, and only listed.
"""

from __future__ import annotations

import re
import sys

from triggerfish.loading.programs.operators import PURE_OPERATORS

# Of the standard library and of old Pythons, everything can act but this.
_INERT_STANDARD = frozenset(
    f"{module}.{name}"
    for module, names in {
        "collections": "OrderedDict Counter defaultdict deque ChainMap UserDict UserList",
        "argparse": "Namespace",
        "types": "SimpleNamespace NoneType",
        "datetime": "datetime date time timedelta timezone",
        "pathlib": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
        "pathlib._local": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
        "uuid": "UUID SafeUUID",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "random": "Random",
        "array": "array _array_reconstructor",
        "functools": "partial",
        "copyreg": "_reconstructor",
        "copy_reg": "_reconstructor",
        "_codecs": "encode",
        "re": "_compile",
        "logging": "getLogger",
        "time": "struct_time",
        "_operator": "or_",
        "pytz": "_UTC _p",
        **dict.fromkeys(
            ("builtins", "__builtin__"),
            "set frozenset dict list tuple int long float complex str unicode bytes bytearray bool "
            "object slice range xrange type NoneType Ellipsis NotImplemented",
        ),
    }.items()
    for name in names.split()
)
_OLD_MODULES = """
    __builtin__ commands popen2 urllib2 imp distutils asynchat asyncore smtpd lib2to3 os2 copy_reg
    exceptions cPickle cStringIO StringIO thread
"""
_STANDARD = frozenset(sys.stdlib_module_names) | frozenset(_OLD_MODULES.split())
_TYPING = re.compile(r"(typing|dataclasses|abc|numbers|math)\.[A-Za-z_]\w*")
_ACTING_TYPING = frozenset({"typing.get_type_hints", "dataclasses.make_dataclass"})
# Packages that exist to run or fetch things.
_ACTORS = """
    pip setuptools pkg_resources IPython dill cloudpickle joblib sh fabric paramiko pexpect
"""
_ACTING_PACKAGES = frozenset(_ACTORS.split())

# How packages name the functions that make an object of what it was pickled as.
_HELPERS = re.compile(r"(pyx_)?(unpickle|reconstruct|rebuild)(_|\b)")

_TORCH_DATA = re.compile(
    r"torch\.(Size|device|dtype|Tensor|Generator|strided|sparse_coo|preserve_format"
    r"|contiguous_format|channels_last(_3d)?|per_(tensor|channel)_\w+|bool|half|double"
    r"|(b?float|u?int|q?u?int|complex)\d\w*|\w+Storage|\w+Tensor)"
    r"|torch\.(storage|cuda)\.\w+Storage|torch\.(cuda\.)?\w+Tensor"
    r"|torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_from_type(_v2)?"
    r"|torch\.storage\._load_from_bytes|torch\.serialization\._get_layout"
    r"|torch\.nn\.parameter\.\w+|torch\.nn\.backends\.thnn\._get_thnn_function_backend"
)
_TORCH_UNKNOWN = re.compile(
    r"torch\.(nn|optim|ao|quantization|utils\.data|utils\.hooks|amp|cuda\.amp|distributed"
    r"|distributions)\.[\w.]+"
)
_NUMPY_DATA = re.compile(
    r"numpy\.(ndarray|dtype|generic|number|matrix|(float|u?int|complex|bool|str|bytes|void|object"
    r"|datetime|timedelta|longlong|longdouble|half|single|double)\w*)"
    r"|numpy\._?core\.multiarray\.(_reconstruct|scalar)|numpy\.(_reconstruct|scalar)"
    r"|numpy\._?core\.numeric\._frombuffer|numpy\.dtypes\.\w+"
    r"|numpy\.random\._pickle\.__\w+_ctor"
    r"|numpy\.random\.(mtrand|_?mt19937|_pcg64|_philox|_sfc64|_generator|bit_generator)\.[A-Z]\w+"
    r"|numpy\.random\.bit_generator\.__pyx_unpickle_\w+"
    r"|numpy\.ma\.core\.(_mareconstruct|MaskedArray)"
)


LOOK_UPS = frozenset({"builtins.getattr", "__builtin__.getattr"})
"""Act, but for two uses: ``torch.relu`` is pickled as what they find, and so are the members of an
enumeration by the first Pythons 3.11, which Debian ships."""
_FUNCTIONS = frozenset({"torch._C._VariableFunctionsClass", "torch._C._VariableFunctions"})


def looked_up(owner: str, attribute: str) -> str | None:
    """The name of what a look-up finds: a function of tensors, or what an unknown class has.

    None for any other owner. What is found acts when it is called, as any function does.
    """
    if owner in _FUNCTIONS:
        return f"torch.{attribute}" if attribute in PURE_OPERATORS else None
    known = not can_act(owner) and not acts_when_called(owner) and not is_data(owner)
    return f"{owner}.{attribute}" if known and re.fullmatch(r"[A-Za-z]\w*", attribute) else None


def is_data(name: str) -> bool:
    """Whether ``module.name`` stands for plain data: a container, a number type, a tensor."""
    if (
        name in _INERT_STANDARD
        or name in _FUNCTIONS
        or (_TYPING.fullmatch(name) and name not in _ACTING_TYPING)
    ):
        return True
    return bool(_TORCH_DATA.fullmatch(name) or _NUMPY_DATA.fullmatch(name))


def can_act(name: str) -> bool:
    """Whether ``module.name`` can do something when it is called: it makes a file dangerous.

    That is the whole standard library, PyTorch and NumPy beyond what is known to hold data, and
    packages that exist to run things.
    """
    root = name.partition(".")[0]
    if is_data(name):
        return False
    if root == "torch":
        operator = name.removeprefix("torch.") in PURE_OPERATORS
        return not (operator or _TORCH_UNKNOWN.fullmatch(name))
    return root in _STANDARD or root in _ACTING_PACKAGES or root == "numpy" or "." not in name


def acts_when_called(name: str) -> bool:
    """Whether calling ``module.name`` is more than making an object: it is named as a function.

    Classes have names with capitals, and helpers of pickling their own; what those make of their
    arguments stays unknown, and unused.
    """
    last = name.rpartition(".")[2].lstrip("_")
    if can_act(name) or is_data(name):
        return can_act(name)
    return not (last[:1].isupper() or _HELPERS.match(last))
