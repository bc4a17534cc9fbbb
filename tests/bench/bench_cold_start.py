"""A cold start of triage, against importing boto3 and creating the same clients alone.

Each measurement is a fresh process over a staged copy of the zip's own code; the clock runs from
the first import until the application is built. The interpreter's own start is in neither.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from autorecovery.config import dump, load
from tests.bench.ratios import finish, median_ratio, report

PROJECT = Path(__file__).resolve().parents[2]
ROUNDS, BOUND = 15, 1.5

TIMED = """
import time
started = time.perf_counter()
{work}
print(time.perf_counter() - started)
"""

PRODUCT = """
import metric_processor
from autorecovery.bootstrap.triage import triage
triage()
"""

FLOOR = """
import boto3
from botocore.config import Config
retries = {"mode": "standard", "total_max_attempts": 4}
config = Config(connect_timeout=3, read_timeout=10, retries=retries)
session = boto3.Session()
for service in ("dynamodb", "lambda", "sqs"):
    session.client(service, config=config)
"""

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "EXAMPLE",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "TABLE_NAME": "incidents",
    "INCIDENT_RESPONDER": "arn:aws:lambda:eu-west-1:111122223333:function:responder:live",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/111122223333/dead-letters",
}


def stage(folder: Path) -> Path:
    """Return a copy of what the zip carries of ours, configuration and scripts included."""
    code = folder / "code"
    shutil.copytree(
        PROJECT / "lambda_functions", code, ignore=shutil.ignore_patterns("__pycache__", "*.txt")
    )
    shutil.copytree(PROJECT / "recovery_scripts", code / "recovery_scripts")
    configuration = load(PROJECT / "config.yaml", {}).configuration
    (code / "autorecovery_config.json").write_text(json.dumps(dump(configuration)))
    return code


def fresh_process(work: str, code: Path) -> Callable[[], float]:
    """Return a timer of this work in a process of its own."""
    script = TIMED.format(work=work)

    def run() -> float:
        ended = subprocess.run(
            [sys.executable, "-c", script],
            env={**ENVIRONMENT, "PYTHONPATH": str(code)},
            cwd=code,
            capture_output=True,
            text=True,
            check=True,
        )
        return float(ended.stdout)

    return run


def main() -> None:
    """Measure, print, and exit with 1 where the bound is missed."""
    with tempfile.TemporaryDirectory() as folder:
        code = stage(Path(folder))
        product, floor = fresh_process(PRODUCT, code), fresh_process(FLOOR, code)
        product(), floor()  # once, so that both find their bytecode compiled
        ratio, measured, least = median_ratio(product, floor, ROUNDS)
    detail = f"{measured * 1e3:.0f} ms against {least * 1e3:.0f} ms, both in fresh processes"
    finish(holds=report("cold start of triage", ratio, BOUND, detail))


if __name__ == "__main__":
    main()
