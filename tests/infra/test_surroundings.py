"""What the commands do with what they find on the machine."""

import json
import re

from infra import cli
from infra.configuration import PROJECT
from infra.surroundings import bundled_node


def test_node_comes_with_the_requirements() -> None:
    assert bundled_node().is_file()


def test_the_cli_is_pinned() -> None:
    assert re.fullmatch(r"aws-cdk@\d+\.\d+\.\d+", cli.CDK_CLI)


def test_the_app_runs_the_same_with_and_without_the_cli() -> None:
    command = json.loads((PROJECT / "cdk.json").read_text("utf-8"))["app"]
    assert command.endswith("-m infra.app")
