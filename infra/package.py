"""The Lambda asset: one recipe, for the functions (arm64) or, with --host, for this machine.

    python -m infra.package           build/lambda/        what is deployed
    python -m infra.package --host    build/lambda-host/   the same, for the interpreter at hand

The folder is used as it is, so what was tested is what is deployed. Same inputs, same bytes: files
that tell of this machine (RECORD has hashes of launchers that name its Python) are left out.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from autorecovery.config import Configuration, dump
from infra.configuration import CONFIG_FILE, PROJECT, SCRIPTS_FOLDER, load_or_exit
from infra.surroundings import environment

SOURCE = PROJECT / "lambda_functions"
REQUIREMENTS = SOURCE / "requirements.txt"
BUILD = PROJECT / "build"

CONFIGURATION_NAME = "autorecovery_config.json"

KEPT_SERVICES = frozenset(
    {
        "autoscaling", "bedrock", "bedrock-runtime", "cloudformation", "cloudwatch", "dynamodb",
        "ec2", "lambda", "logs", "secretsmanager", "sesv2", "sns", "sqs", "ssm", "sts",
    }
)  # fmt: skip
"""Services whose API models stay; botocore describes about 400 of them in 27 MB."""

_BYPRODUCTS = ("__pycache__", "*.pyc", "*.egg-info", ".*")
_NOT_SHIPPED = shutil.ignore_patterns(*_BYPRODUCTS, "requirements.txt", "tests")
# What is left of the metadata is read at run time: versions, and entry points of plugins.
_MACHINE_DEPENDENT = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


@dataclass(frozen=True, slots=True)
class Platform:
    """Where an asset is to run."""

    folder: str
    pip_options: tuple[str, ...]
    interpreter: str

    @property
    def target(self) -> Path:
        """Return the folder that is built."""
        return BUILD / self.folder


FUNCTIONS = Platform(
    folder="lambda",
    pip_options=(
        "--platform", "manylinux2014_aarch64", "--implementation", "cp", "--python-version", "3.13",
    ),
    interpreter="cp313-aarch64",
)  # fmt: skip

HOST = Platform(
    folder="lambda-host",
    pip_options=(),
    interpreter=f"{sys.implementation.cache_tag}-{os.uname().machine}",
)


def build(configuration: Configuration, platform: Platform = FUNCTIONS) -> Path:
    """Return the folder that holds the asset, built anew only where an input has changed."""
    shipped = json.dumps(dump(configuration), indent=1, sort_keys=True) + "\n"
    digest = _digest(_inputs(), platform.interpreter, shipped)
    stamp = platform.target.with_suffix(".sha256")
    with _only_one_builds():
        if not (platform.target.is_dir() and _read(stamp) == digest):
            stamp.unlink(missing_ok=True)
            _assemble(platform, shipped)
            stamp.write_text(digest, encoding="utf-8")
    return platform.target


def _inputs() -> Iterator[Path]:
    yield Path(__file__)
    for folder in (SOURCE, SCRIPTS_FOLDER):
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            if path.is_file() and not any(fnmatch(p, b) for p in parts for b in _BYPRODUCTS):
                yield path


def _digest(paths: Iterable[Path], *texts: str) -> str:
    digest = hashlib.sha256()
    for path in paths:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(PROJECT)} {content}\n".encode())
    for text in texts:
        digest.update(f"{text}\n".encode())
    return digest.hexdigest()


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


@contextmanager
def _only_one_builds() -> Iterator[None]:
    """Let tests and synth that run side by side wait for one another."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "package.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _assemble(platform: Platform, shipped: str) -> None:
    staging = platform.target.with_suffix(".new")
    shutil.rmtree(staging, ignore_errors=True)
    shutil.copytree(_dependencies(platform), staging)
    shutil.copytree(SOURCE, staging, ignore=_NOT_SHIPPED, dirs_exist_ok=True)
    shutil.copytree(SCRIPTS_FOLDER, staging / "recovery_scripts", ignore=_NOT_SHIPPED)
    (staging / CONFIGURATION_NAME).write_text(shipped, encoding="utf-8")
    _set_modes(staging)
    shutil.rmtree(platform.target, ignore_errors=True)
    staging.rename(platform.target)


def _dependencies(platform: Platform) -> Path:
    """Return the folder of what requirements.txt asks for, installed once per version of it."""
    digest = _digest((Path(__file__), REQUIREMENTS), platform.interpreter)
    folder = BUILD / f"{platform.folder}-dependencies-{digest[:12]}"
    if not folder.is_dir():
        for outdated in BUILD.glob(f"{platform.folder}-dependencies-*"):
            shutil.rmtree(outdated)
        staging = folder.with_suffix(".new")
        _install(platform, staging)
        _trim(staging)
        staging.rename(folder)
    return folder


def _install(platform: Platform, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--no-compile", "--only-binary=:all:", *platform.pip_options,
        "--target", str(target), "--requirement", str(REQUIREMENTS),
    ]  # fmt: skip
    # Standard output belongs to whoever runs `cdk`.
    subprocess.run(command, check=True, stdout=sys.stderr)


def _trim(folder: Path) -> None:
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for metadata in folder.glob("*.dist-info"):
        for name in _MACHINE_DEPENDENT:
            (metadata / name).unlink(missing_ok=True)
    for service in (folder / "botocore" / "data").iterdir():
        if service.is_dir() and service.name not in KEPT_SERVICES:
            shutil.rmtree(service)
    shutil.rmtree(folder / "boto3" / "examples", ignore_errors=True)


def _set_modes(folder: Path) -> None:
    """Make the modes those that every checkout has, whatever its umask."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def main(arguments: list[str] | None = None) -> None:
    """Build the asset and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=__doc__)
    parser.add_argument("--host", action="store_true", help="for this machine's interpreter")
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="instead of config.yaml")
    options = parser.parse_args(arguments)
    deployment = load_or_exit(environment(), options.config)
    folder = build(deployment.configuration, HOST if options.host else FUNCTIONS)
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main()
