from collections.abc import Callable
from pathlib import Path

import pytest

from infra.configuration import Deployment, load_deployment
from infra.package import HOST, build
from tests.infra.template import Synthesized, everything, synthesize

Synthesize = Callable[[Deployment], Synthesized]


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """The stack of a configuration that uses everything; loading the CDK is what takes the time."""
    return synthesize(everything(), tmp_path_factory.mktemp("cdk"))


@pytest.fixture(scope="session")
def another(tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """Synthesizes other configurations; the CDK is loaded already."""
    return lambda deployment: synthesize(deployment, tmp_path_factory.mktemp("cdk"))


@pytest.fixture(scope="session")
def shipped() -> Deployment:
    return load_deployment({})


@pytest.fixture(scope="session")
def host_asset(shipped: Deployment) -> Path:
    """The asset, built for this machine."""
    return build(shipped.configuration, HOST)
