"""The API against its own OpenAPI document: whatever a machine thinks of to ask of it."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from autorecovery.web.hub_routes import hub_routes
from autorecovery.web.openapi import document
from autorecovery.web.routes import serve
from local_runtime.up import serve_in_thread
from local_runtime.web_server import application
from tests.hub_world import HubWorld, batch_content, monitor_content

EXAMPLES = 20
"""Of each route, right ones and wrong ones."""

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubWorld]:
    world = HubWorld(tmp_path_factory.mktemp("hub"), is_open=True)
    yield world
    assert world.failures == []
    world.history.engine.dispose()


@pytest.fixture(scope="module")
def address(asked: HubWorld) -> Iterator[str]:
    resolve = serve([hub_routes(asked.hub)], asked.failures.append).resolve
    app = application(resolve, ["127.0.0.1"], asked.hub.most_bytes)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off")
    )
    thread = serve_in_thread(server)
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


pytestmark = pytest.mark.slow

OPERATIONS = [
    (method.upper(), path) for path, each in document()["paths"].items() for method in each
]


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_whatever_is_asked_is_answered_as_the_document_says(
    address: str, method: str, path: str, mode: GenerationMode
) -> None:
    # On one machine alone no token is asked for; who may do what is shown in test_hub.py.
    api = schemathesis.openapi.from_dict({**document(), "security": []})
    cases = api[path][method].as_strategy(generation_mode=mode)

    @given(case=cases)
    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask(case: "schemathesis.Case[Any]") -> None:
        case.call_and_validate(base_url=address, checks=CHECKS)

    # Of /health nothing can be wrong, nor of the document.
    with suppress(Unsatisfiable):
        ask()


def test_every_route_is_in_the_document_and_every_path_is_served(asked: HubWorld) -> None:
    for path, operations in document()["paths"].items():
        for method in operations:
            answer = asked.ask(method.upper(), path.replace("{token}", "x" * 20))
            assert answer.content != {"message": "not found"}, (method, path)
    served = {path.replace("<token>", "{token}") for path, *_ in hub_routes(asked.hub)._routes}
    assert served == set(document()["paths"])


def test_what_agents_really_send_is_what_the_document_describes(asked: HubWorld) -> None:
    assert asked.ask("POST", "/api/v1/ingest", batch_content()).status == 202
    assert asked.ask("POST", "/monitor_info", monitor_content()).status == 200
