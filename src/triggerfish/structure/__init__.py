"""Backdoors in the graph: logic that looks for a trigger, read from the program itself."""
