"""The built asset, really started: the runtime interface emulator of AWS around a handler.

The emulator comes out of the wheel of the SAM CLI, which is downloaded once and never installed.
"""

import json
import os
import platform
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from infra.package import BUILD

SAM_CLI = "aws-sam-cli==1.170.0"
RUNTIME_CLIENT = ("awslambdaric", "snapshot-restore-py", "simplejson")
"""The distributions that the managed runtime brings along, and the asset therefore does not."""

_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}


def emulator() -> Path:
    """Return the emulator's binary, fetched on first use."""
    name = f"aws-lambda-rie-{_ARCHITECTURES[platform.machine()]}"
    binary = BUILD / "emulator" / name
    if not binary.is_file():
        binary.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
             "--no-deps", "--dest", str(binary.parent), SAM_CLI],
            check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        (wheel,) = binary.parent.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            unpacked = binary.with_suffix(f".{os.getpid()}")
            unpacked.write_bytes(archive.read(f"samcli/local/rapid/{name}"))
        unpacked.chmod(0o755)
        unpacked.rename(binary)
    return binary


def place_runtime_client(folder: Path) -> Path:
    """Put the runtime's client, and nothing else of this environment, into a folder."""
    folder.mkdir()
    for name in RUNTIME_CLIENT:
        installed = distribution(name)
        tops = {file.parts[0] for file in installed.files or () if file.parts[0] != ".."}
        for top in tops:
            if not top.endswith(".dist-info") and top not in ("tests", "__pycache__"):
                (folder / top).symlink_to(Path(str(installed.locate_file(top))))
    return folder


@dataclass(frozen=True, slots=True)
class RunningFunction:
    """A function that can be invoked."""

    url: str

    def invoke(self, event: object) -> Any:
        """Return what the handler answered; an error arrives as what Lambda makes of it."""
        request = urllib.request.Request(self.url, data=json.dumps(event).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def running(
    handler: str, asset: Path, client: Path, log: Path, **variables: str
) -> Iterator[RunningFunction]:
    """Run a handler of the asset until the block ends; in a dry run, unless told otherwise."""
    port = _free_port()
    command = [
        str(emulator()),
        "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
        "--runtime-api-address", f"127.0.0.1:{_free_port()}",
        # Without site-packages: what the asset lacks must be missed.
        sys.executable, "-S", "-B", "-m", "awslambdaric", handler,
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=asset, env={**_environment(handler, client), **variables},
            stdout=output, stderr=output,
        )  # fmt: skip
    try:
        _wait_for(port, process, log)
        path = "2015-03-31/functions/function/invocations"
        yield RunningFunction(f"http://127.0.0.1:{port}/{path}")
    finally:
        process.terminate()
        process.wait(timeout=10)


def _environment(handler: str, client: Path) -> dict[str, str]:
    nowhere = "http://127.0.0.1:9"
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(client),
        "AWS_LAMBDA_FUNCTION_NAME": handler.split(".")[0],
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_REGION": "eu-west-1",
        "AUTORECOVERY_DRY_RUN": "true",
        # A dry run touches nothing; if it tried to, it would get nowhere.
        "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }  # fmt: skip


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text("utf-8", "replace")
        time.sleep(0.1)
    raise AssertionError(f"no answer on port {port}: {log.read_text('utf-8', 'replace')}")
