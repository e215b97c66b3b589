"""Limits that a child process puts on itself, on Linux, before it touches a file's program."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from pathlib import Path

if sys.platform != "win32":
    import resource

MEMORY_BYTES = 4 << 30
CPU_SECONDS = 120
"""A VGG-16 on images of 224x224 needs 35 on a busy core (benchmarks/packages.py)."""
FILE_BYTES = 1 << 30

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06

# machine -> (audit architecture, system calls that reach the network, other programs or processes):
# socket, socketpair, connect, sendto, execve, execveat, ptrace, process_vm_writev, io_uring_setup,
# kill, tkill, tgkill, pidfd_open
_MACHINES = {
    "x86_64": (0xC000003E, (41, 53, 42, 44, 59, 322, 101, 311, 425, 62, 200, 234, 434)),
    "aarch64": (0xC00000B7, (198, 199, 203, 206, 221, 281, 117, 271, 425, 129, 130, 131, 434)),
}
_X32_BIT = 0x40000000


def limit_resources(cpu_seconds: int | None = None) -> None:
    """Bound memory (beyond what is used already), processor time and the size of written files.

    A process that uses up its ``cpu_seconds`` (`CPU_SECONDS`) gets SIGXCPU, a second later SIGKILL.
    """
    if sys.platform != "linux":
        return  # other systems count memory in ways that would stop PyTorch itself
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for limit, value in (
        (resource.RLIMIT_AS, used + MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    seconds = cpu_seconds or CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def cut_off_network() -> None:
    """Forbid, for good, sockets, starting programs and signals to others, through seccomp.

    Raises `OSError` where the system has no such filter.
    """
    if platform.system() != "Linux" or platform.machine() not in _MACHINES:
        raise OSError(errno.ENOSYS, "no system-call filter for this system")
    program = _filter(*_MACHINES[platform.machine()])
    buffer = ctypes.create_string_buffer(program)
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the system-call filter was refused")


def _filter(architecture: int, forbidden: tuple[int, ...]) -> bytes:
    """A classic BPF program over ``struct seccomp_data`` (see seccomp(2))."""
    code = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
    ]
    for number in forbidden:
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.EACCES)]
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)
