"""The API against its own OpenAPI document: what a machine thinks of to ask."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import CheckFunction
from schemathesis.core.transport import Response as _Response  # noqa: F401
from starlette.applications import Starlette

from autorecovery.web.hub_routes import hub_routes
from autorecovery.web.openapi import document
from autorecovery.web.routes import serve
from local_runtime.web_server import application
from tests.hub_world import HubWorld
