"""What a type cannot say about a field: ``Annotated[Verdict, INLINE]``."""

from __future__ import annotations

from typing import Final

INLINE: Final = "inline"
"""The record's fields stand among those of the record that has it, its ``name`` under the name of
the field."""
NOT_STORED: Final = "not stored"
"""Of a tensor only the shape of a row is written; anything else is left out. Comes back empty."""
