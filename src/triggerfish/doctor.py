"""What this installation can do, and what to do about what it cannot."""

from __future__ import annotations

import importlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

import torch

from triggerfish._version import __version__

State = Literal["ok", "missing", "broken"]
PACKAGES = ("torch", "numpy", "scipy", "pillow", "matplotlib", "safetensors", "click", "jinja2")
EXTRAS = {"huggingface": "transformers", "keras": "h5py", "onnx": "onnx"}
SECONDS = 60

# Run in a child of its own: a filter stays for good. It must not be able to open a socket.
_SANDBOX = """
import socket
from triggerfish.loading.guards.confinement import cut_off_network, limit_resources
limit_resources()
cut_off_network()
try:
    socket.socket()
except PermissionError:
    print("confined")
"""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; ``fix`` says what to do unless ``state`` is *ok*.

    What is *missing* costs a feature, what is *broken* keeps scans from working.
    """

    name: str
    state: State
    value: str
    fix: str = ""


def check_all() -> Iterator[Check]:
    """Versions, devices, formats, the sandbox, the disk."""
    yield Check("triggerfish", "ok", __version__)
    yield Check("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    yield from map(_package, PACKAGES)
    yield from _devices()
    yield from (_extra(name, package) for name, package in EXTRAS.items())
    yield _sandbox()
    yield _temporary_folder()


def _package(name: str) -> Check:
    try:
        return Check(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name, "broken", "not installed", f"pip install {name}")


def _devices() -> Iterator[Check]:
    yield Check("device cpu", "ok", f"{os.cpu_count() or 1} cores")
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            yield Check(f"device cuda:{number}", "ok", torch.cuda.get_device_name(number))
    else:
        built = torch.version.cuda
        fix = (
            "a processor is enough for small networks; for a GPU install a CUDA build of PyTorch: "
            "https://pytorch.org/get-started/locally"
            if built is None
            else "check the driver with nvidia-smi"
        )
        yield Check("device cuda", "missing", f"PyTorch built for CUDA: {built or 'no'}", fix)
    if torch.backends.mps.is_available():
        yield Check("device mps", "ok", "Apple GPU")


def _extra(name: str, package: str) -> Check:
    title, fix = f"format {name}", f"pip install 'triggerfish[{name}]'"
    try:
        importlib.import_module(package)
        return Check(title, "ok", f"{package} {metadata.version(package)}")
    except ImportError:
        return Check(title, "missing", f"{package} is not installed", fix)
    except Exception as error:  # a package that breaks on import is no reason to end here
        return Check(title, "broken", f"{package} does not import: {type(error).__name__}", fix)


def _sandbox() -> Check:
    try:
        child = subprocess.run(
            [sys.executable, "-c", _SANDBOX],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        works = child.stdout.strip() == "confined"
    except (OSError, subprocess.TimeoutExpired):
        works = False
    if works:
        return Check("sandbox", "ok", "child processes are cut off from the network")
    return Check(
        "sandbox",
        "missing",
        "child processes cannot be confined",
        "programs (ONNX, TorchScript) run less confined, --unsafe-pickle is refused: scan on Linux "
        "on x86-64 or ARM, outside of a container that forbids seccomp",
    )


def _temporary_folder() -> Check:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"\0")
        return Check("temporary files", "ok", tempfile.gettempdir())
    except OSError as error:
        fix = "set TMPDIR to a folder with space"
        return Check("temporary files", "broken", str(error.strerror or error), fix)
