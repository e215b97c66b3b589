"""Frozen dataclasses <-> JSON plain data and tensors, by their fields and the types of these.

`plain` writes, `revive` reads, `schema` says what is written; `scalars` has a line for each type of
plain value, `tensors` keeps what JSON cannot.
Nothing here knows a result: a new field needs no line of code.
"""
