"""What is no model file at all, under a model's name."""

import gzip
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from corpus.valid import place, state_dict, torch_bytes

TEXTS = {
    "lfs": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "html": "<!DOCTYPE html><html>Not found</html>",
    "json": '{"error": "forbidden"}',
    "python": "import os; os.system('touch CANARY')",
    "text": "accuracy 0.99\n" * 1000,
    "utf8": "précision 0,99 ✓\n" * 500,
}
BYTES = {
    "empty": b"",
    "zeros": b"\0" * (1 << 20),
    "png": b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    "elf": b"\x7fELF" + b"\0" * 100,
    "tar": b"data" + b"\0" * 253 + b"ustar" + b"\0" * 300,
    "byte": b"\x80",
    "proto": b"\x80\x02.",
    "pk": b"PK\x03\x04",
    "hdf": b"\x89HDF\r\n\x1a\n",
    "numpy": b"\x93NUMPY\x01\x00" + b"\0" * 100,
}


def make(folder: Path, canary: str) -> Iterator[Path]:
    for name, text in TEXTS.items():
        yield place(folder, f"{name}.pt", text.replace("CANARY", canary).encode())
    for name, data in BYTES.items():
        yield place(folder, f"{name}.pth", data)
    yield place(folder, "gzip.pt", gzip.compress(torch_bytes(state_dict())))
    yield folder / "missing.pt"
    os.mkfifo(folder / "fifo.pt")
    yield folder / "fifo.pt"
    for device in ("zero", "null", "random"):
        (folder / f"{device}.pt").symlink_to(f"/dev/{device}")
        yield folder / f"{device}.pt"
    (folder / "loop.pt").symlink_to("loop.pt")
    yield folder / "loop.pt"
    (folder / "dangling.pt").symlink_to("nowhere")
    yield folder / "dangling.pt"
    (folder / "folder.pt").mkdir()
    yield folder / "folder.pt"
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # a socket's path must be short
        server.bind("socket.pt")
        os.chdir(here)
    yield folder / "socket.pt"
    locked = place(folder, "locked.pt", torch_bytes({"secret": 1}))
    locked.chmod(0)
    yield locked
