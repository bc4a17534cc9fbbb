"""The one file users edit: its schema, and how a value is found, overridden and checked.

`cdk synth` reads the YAML, the Lambdas read the same content shipped as JSON, and the one-machine
mode reads the YAML again. Environment variables override the file everywhere.
"""

from autorecovery.config.ingest import Ingest
from autorecovery.config.loading import Resolved, dump, flatten, load, load_shipped, loads
from autorecovery.config.notify import ChannelSettings, Notify
from autorecovery.config.overrides import OVERRIDES
from autorecovery.config.problems import InvalidConfigurationError, Problem
from autorecovery.config.schema import (
    KNOWN_NAMESPACES,
    AnalysisSettings,
    Configuration,
    Fields,
    LambdaSettings,
    Limits,
    LogSource,
    Sources,
    Targets,
    Vpc,
)

__all__ = [
    "KNOWN_NAMESPACES",
    "OVERRIDES",
    "AnalysisSettings",
    "ChannelSettings",
    "Configuration",
    "Fields",
    "Ingest",
    "InvalidConfigurationError",
    "LambdaSettings",
    "Limits",
    "LogSource",
    "Notify",
    "Problem",
    "Resolved",
    "Sources",
    "Targets",
    "Vpc",
    "dump",
    "flatten",
    "load",
    "load_shipped",
    "loads",
]
