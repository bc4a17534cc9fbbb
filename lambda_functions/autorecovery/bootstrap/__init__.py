"""Wires the core to AWS, once per container; a module per entry point, which pays for no other.

The only place that knows both sides.
"""
