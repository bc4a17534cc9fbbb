"""What `make synth`, `diff`, `deploy` and `destroy` run: the app, and the CDK CLI on its output.

Synthesizing needs no CLI. The others use a pinned one, installed once into build/ by the Node of
our requirements: neither Node nor npm nor Docker has to be on the machine.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infra import app
from infra.configuration import PROJECT
from infra.package import BUILD
from infra.surroundings import bundled_node, environment

CDK_CLI = "aws-cdk@2.1148.1"  # without a version, an older and incompatible one is installed
COMMANDS = ("synth", "diff", "deploy", "destroy", "bootstrap")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code of a command; what follows its name is handed to the CDK CLI."""
    parser = argparse.ArgumentParser(prog="python -m infra.cli", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    command, further = parser.parse_known_args(arguments)
    if command.command != "bootstrap":
        app.main([])
    if command.command == "synth":
        return 0
    return _run_cdk(command.command, further)


def _run_cdk(command: str, further: Sequence[str]) -> int:
    stack = [app.STACK] if command != "bootstrap" else []
    # The output of the app that has just run: it is not synthesized a second time.
    given = [command, *stack, "--app", str(PROJECT / "cdk.out"), "--no-notices", *further]
    quiet = {"CDK_DISABLE_CLI_TELEMETRY": "true", "NODE_NO_WARNINGS": "1"}
    node = str(bundled_node())
    return subprocess.run(
        [node, str(_installed_cli()), *given], check=False, env={**environment(), **quiet}
    ).returncode


def _installed_cli() -> Path:
    folder = BUILD / CDK_CLI.replace("@", "-")
    entry = folder / "node_modules" / "aws-cdk" / "bin" / "cdk"
    if not entry.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        node = bundled_node()
        # The wheel's `npm` is a link that became a file; what it led to is run instead.
        npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        options = ("--no-audit", "--no-fund", "--silent", "--prefix", str(folder))
        subprocess.run(
            [str(node), str(npm), "install", *options, CDK_CLI], check=True, stdout=sys.stderr
        )
    return entry


if __name__ == "__main__":
    sys.exit(main())
