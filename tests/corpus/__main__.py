"""``python -m corpus FOLDER``: write the corpus for a look at it, or for another scanner."""

import sys
from pathlib import Path

from corpus import write_corpus

folder = Path(sys.argv[1])
print(len(write_corpus(folder, folder / "CANARY")), "files in", folder)
