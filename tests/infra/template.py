"""The template that the tests look at, made once. Run it to accept a changed snapshot:

python -m tests.infra.template
"""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.configuration import Deployment, load_deployment
from infra.package import build
from infra.surroundings import use_bundled_node

HERE = Path(__file__).parent
SNAPSHOT = HERE / "snapshots" / "AutoRecovery.json"

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Synthesized:
    """A template, and what was said while it was made."""

    template: dict[str, Any]
    warnings: tuple[str, ...]

    def of_type(self, kind: str) -> dict[str, Resource]:
        """Return the resources of one type by logical id."""
        return {id: r for id, r in self.template["Resources"].items() if r["Type"] == kind}

    def properties(self, kind: str) -> list[Resource]:
        """Return the properties of all resources of one type."""
        return [resource["Properties"] for resource in self.of_type(kind).values()]

    def statements_of(self, function: str) -> list[Resource]:
        """Return what the role of a function is allowed, statement by statement."""
        role = self.template["Resources"][function]["Properties"]["Role"]["Fn::GetAtt"][0]
        return [
            statement
            for policy in self.properties("AWS::IAM::Policy")
            if {"Ref": role} in policy["Roles"]
            for statement in policy["PolicyDocument"]["Statement"]
        ]


def everything(**environment: str) -> Deployment:
    return load_deployment(environment, HERE / "everything.yaml", HERE / "scripts")


def configured(folder: Path, text: str) -> Deployment:
    """Return a deployment of this configuration, with the scripts of the tests."""
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load_deployment({}, path, HERE / "scripts")


def synthesize(deployment: Deployment, outdir: Path) -> Synthesized:
    """Return the template as `cdk synth` makes it, with all of its checks."""
    use_bundled_node()
    from infra.app import STACK, make_app

    # What the functions are made of is that of the shipped configuration: one build serves all.
    asset = build(load_deployment({}).configuration)
    assembly = make_app(deployment, asset, outdir=str(outdir)).synth()
    return Synthesized(
        template=json.loads((outdir / f"{STACK}.template.json").read_text("utf-8")),
        warnings=tuple(
            str(message.entry.data) for message in assembly.get_stack_by_name(STACK).messages
        ),
    )


def scrub(template: Mapping[str, Any]) -> str:
    """Return the template as text, without what changes with every change of the asset."""
    text = json.dumps(template, indent=1, sort_keys=True) + "\n"
    text = re.sub(r"[0-9a-f]{64}\.zip", "ASSET.zip", text)
    text = re.sub(r"asset\.[0-9a-f]{64}", "asset.ASSET", text)
    return re.sub(r"(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}", r"\1VERSION", text)


def strings(value: object) -> Iterator[str]:
    """Yield every text within a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = synthesize(everything(), Path(folder))
    SNAPSHOT.write_text(scrub(made.template), encoding="utf-8")
