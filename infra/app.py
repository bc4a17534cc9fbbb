"""The CDK app: `python -m infra.app` writes cdk.out/, and `cdk` runs the same.

A configuration that cannot be deployed is refused: what is wrong on stderr, exit code 3.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.alarm_plan import plan_alarms
from infra.configuration import CONFIG_FILE, PROJECT, Deployment, RefusedError, load_or_exit, refuse
from infra.package import build
from infra.surroundings import environment, use_bundled_node

if TYPE_CHECKING:
    from aws_cdk import App

STACK = "AutoRecovery"


def main(arguments: list[str] | None = None) -> None:
    """Synthesize."""
    parser = argparse.ArgumentParser(prog="python -m infra.app", description=__doc__)
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="instead of config.yaml")
    deployment = load_or_exit(environment(), parser.parse_args(arguments).config)
    use_bundled_node()
    try:
        plan_alarms(deployment.configuration)  # refused in no time, if it must be
        asset = build(deployment.configuration)
        make_app(deployment, asset, outdir=_output()).synth()
    except RefusedError as error:
        refuse(error)


def make_app(deployment: Deployment, asset: Path, **options: Any) -> "App":
    """Return the app with its one stack, and with the checks that every synth must pass."""
    # Loading the CDK starts Node, which takes seconds; a broken configuration need not wait for it.
    import aws_cdk as cdk
    import cdk_nag

    from infra.stack import AutoRecoveryStack

    app = cdk.App(context=_context(), **options)
    AutoRecoveryStack(app, STACK, deployment=deployment, asset=asset)
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    return app


def _output() -> str:
    """Return where `cdk` wants the output, else an emptied cdk.out/: nothing piles up."""
    if given := environment().get("CDK_OUTDIR"):
        return given
    shutil.rmtree(PROJECT / "cdk.out", ignore_errors=True)
    return str(PROJECT / "cdk.out")


def _context() -> dict[str, Any]:
    """Return the feature flags, so that the template is the same with and without `cdk`."""
    flags: dict[str, Any] = json.loads((PROJECT / "cdk.json").read_text("utf-8"))["context"]
    # Where the asset is, in the template: `sam local invoke` looks there.
    return {"aws:cdk:enable-asset-metadata": True, **flags}


if __name__ == "__main__":
    main()
