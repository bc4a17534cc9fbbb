"""The Lambda asset as it is built: what is in it, what is not, and that it runs."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autorecovery.config import load_shipped
from autorecovery.scripts import shipped_scripts
from infra.configuration import PROJECT, Deployment, load_deployment
from infra.package import FUNCTIONS, HOST, KEPT_SERVICES, build
from tests.integration.asset_emulator import RunningFunction, place_runtime_client, running

pytestmark = pytest.mark.slow

MEGABYTE = 1_000_000
AARCH64 = 0xB7  # e_machine of an ELF file

EVENTS = sorted(p for p in (PROJECT / "events").glob("*.json") if p.name != "local_env.json")
OF_COMMANDS = [path for path in EVENTS if path.name.startswith("ssm_")]
OF_TRIAGE = [path for path in EVENTS if path not in OF_COMMANDS]


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return load_deployment({})


@pytest.fixture(scope="module")
def asset(deployment: Deployment) -> Path:
    return build(deployment.configuration, FUNCTIONS)


@pytest.fixture(scope="module")
def host_asset(deployment: Deployment) -> Path:
    return build(deployment.configuration, HOST)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)} {path.stat().st_mode:o}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


# What is in it


def test_the_zip_is_small(asset: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in asset.rglob("*"):
            archive.write(path, path.relative_to(asset))
    assert len(content.getvalue()) <= 25 * MEGABYTE


def test_everything_compiled_is_for_the_functions_processor(asset: Path) -> None:
    compiled = list(asset.rglob("*.so"))
    assert compiled
    for path in compiled:
        assert int.from_bytes(path.read_bytes()[18:20], "little") == AARCH64, path
        assert re.search(r"cpython-313-aarch64|abi3", path.name), path


def test_every_wheel_fits_the_runtime(asset: Path) -> None:
    for path in asset.glob("*.dist-info/WHEEL"):
        tags = re.findall(r"^Tag: (\S+)", path.read_text("utf-8"), re.M)
        fitting = [t for t in tags if re.search(r"^(cp313|py3|py2\.py3)-.*(aarch64|any)$", t)]
        assert fitting, (path.parent.name, tags)


def test_it_carries_the_templates_of_mails(asset: Path) -> None:
    templates = asset / "autorecovery" / "notices" / "templates"
    source = PROJECT / "lambda_functions" / "autorecovery" / "notices" / "templates"
    assert {path.name for path in templates.iterdir()} == {path.name for path in source.iterdir()}
    assert (templates / "page.html.j2").is_file()


def test_it_carries_the_configuration_and_the_scripts(asset: Path, deployment: Deployment) -> None:
    shipped = load_shipped(asset / "autorecovery_config.json", {})
    assert shipped == deployment.configuration
    scripts = shipped_scripts(asset / "recovery_scripts")
    assert {n: s.sha256 for n, s in scripts.items()} == {
        n: s.sha256 for n, s in deployment.scripts.items()
    }


def test_it_carries_nothing_that_the_functions_do_not_need(asset: Path) -> None:
    unwanted = [
        path.relative_to(asset)
        for pattern in (
            "__pycache__",
            "*.pyc",
            "*.egg-info",
            "requirements.txt",
            "RECORD",
            "bin",
            "tests",
        )
        for path in asset.rglob(pattern)
    ]
    assert unwanted == []
    assert not (asset / "__init__.py").exists()  # the root is no package


def test_it_describes_every_service_that_a_client_is_made_for(asset: Path) -> None:
    adapters = (asset / "autorecovery" / "adapters" / "aws").glob("*.py")
    made = {
        name for p in adapters for name in re.findall(r'client\(\s*"([a-z0-9-]+)"', p.read_text())
    }
    described = {p.name for p in (asset / "botocore" / "data").iterdir() if p.is_dir()}
    assert made
    assert made <= described
    assert described == KEPT_SERVICES


def test_metadata_that_is_read_at_run_time_stays(asset: Path) -> None:
    for name in ("pydantic", "aws_durable_execution_sdk_python", "urllib3"):
        assert list(asset.glob(f"{name}-*.dist-info/METADATA"))


# How it is built


def test_the_same_input_gives_the_same_bytes(asset: Path, deployment: Deployment) -> None:
    before = _digest(asset)
    asset.with_suffix(".sha256").unlink()
    assert _digest(build(deployment.configuration, FUNCTIONS)) == before


def test_nothing_is_built_again_while_nothing_changes(asset: Path, deployment: Deployment) -> None:
    before = asset.stat().st_ino
    assert build(deployment.configuration, FUNCTIONS).stat().st_ino == before


# That it runs


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return place_runtime_client(tmp_path_factory.mktemp("client") / "runtime")


@pytest.fixture(scope="module")
def metric_processor(
    host_asset: Path, client: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningFunction]:
    log = tmp_path_factory.mktemp("log") / "metric_processor.log"
    with running("metric_processor.lambda_handler", host_asset, client, log) as function:
        yield function


@pytest.fixture(scope="module")
def command_listener(
    host_asset: Path, client: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningFunction]:
    log = tmp_path_factory.mktemp("log") / "command_listener.log"
    with running("command_listener.lambda_handler", host_asset, client, log) as function:
        yield function


def _event(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("path", OF_TRIAGE, ids=lambda path: path.stem)
def test_triage_answers_every_sample(path: Path, metric_processor: RunningFunction) -> None:
    answer = metric_processor.invoke(_event(path))
    assert set(answer) == {"signals", "rejected", "ignored", "incidents"}, answer
    assert all(isinstance(answer[count], int) for count in ("signals", "rejected", "ignored"))
    for incident in answer["incidents"]:
        assert set(incident) == {"id", "rule", "target", "level", "action", "reason"}
    assert answer["signals"] + answer["rejected"] + answer["ignored"] > 0


@pytest.mark.parametrize("path", OF_COMMANDS, ids=lambda path: path.stem)
def test_the_listener_answers_every_end_of_a_command(
    path: Path, command_listener: RunningFunction
) -> None:
    event = _event(path)
    answer = command_listener.invoke(event)
    assert answer == {"command": event["detail"]["command-id"], "incident": None, "woken": False}


def test_the_analyst_starts_from_what_the_stack_tells_it(
    host_asset: Path, client: Path, tmp_path: Path
) -> None:
    region = {"AWS_DEFAULT_REGION": "eu-west-1"}
    variables = {"AUTORECOVERY_DRY_RUN": "false", "TABLE_NAME": "incidents", **region}
    handler, log = "incident_analyst.lambda_handler", tmp_path / "incident_analyst.log"
    with running(handler, host_asset, client, log, **variables) as function:
        assert function.invoke({"Records": []}) == {"batchItemFailures": []}
