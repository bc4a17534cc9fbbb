"""What can be configured; the descriptions and examples also serve error messages and `init`."""

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, model_validator

from autorecovery.config.ingest import Ingest
from autorecovery.config.notify import Notify
from autorecovery.models.canary import Canary
from autorecovery.models.limits import (
    Correlation,
    Demoting,
    FleetLimit,
    Frequencies,
    MaintenanceWindow,
)
from autorecovery.models.rule import (
    Duration,
    FieldPath,
    Frequency,
    FrequencyText,
    Rule,
    Schema,
)

KNOWN_NAMESPACES = {
    **dict.fromkeys(
        ("CPUUtilization", "NetworkIn", "NetworkOut", "StatusCheckFailed", "CPUCreditBalance"),
        "AWS/EC2",
    ),
    **dict.fromkeys(
        ("mem_used_percent", "disk_used_percent", "swap_used_percent", "cpu_usage_active"),
        "CWAgent",
    ),
}
"""Where CloudWatch keeps well-known metrics; all others come from our log metric filters."""


class Targets(Schema):
    """Which machines opted in."""

    tag: dict[str, str] = Field(
        default={"AutoRecovery": "enabled"},
        min_length=1,
        max_length=1,
        description="The one tag, and its value, that a machine carries to opt in.",
    )

    @property
    def tag_key(self) -> str:
        """Return the key of the opt-in tag."""
        return next(iter(self.tag))

    @property
    def tag_value(self) -> str:
        """Return the value that the opt-in tag must have."""
        return self.tag[self.tag_key]


class Fields(Schema):
    """Where a JSON log line keeps what we look for."""

    target: FieldPath = "$.instance_id"
    metric: FieldPath = "$.metric"
    value: FieldPath = "$.value"


class LogSource(Schema):
    """One CloudWatch log group that carries measurements or messages."""

    group: str = Field(
        min_length=1,
        max_length=512,
        pattern=r"^[\.\-_/#A-Za-z0-9]+$",
        examples=["/shop/metrics"],
    )
    fields: Fields = Field(default_factory=Fields)


class Sources(Schema):
    """Where signals come from beside alarms and events."""

    logs: tuple[LogSource, ...] = ()


class Limits(Schema):
    """What holds a robot back."""

    cooldown: Duration = timedelta(minutes=15)
    attempts: Frequencies = Field(
        (
            Frequency(count=3, window=timedelta(hours=1)),
            Frequency(count=7, window=timedelta(hours=24)),
        ),
        min_length=1,
        description="Of one rule on one target, such as `3 per 1h and 7 per 24h`.",
    )
    max_event_age: Duration = timedelta(minutes=15)
    fleet: FleetLimit = Field(default_factory=FleetLimit)
    flapping: FrequencyText = Field(
        Frequency(count=4, window=timedelta(hours=1)),
        description="Opened so often, an incident comes and goes; a restart will not end that.",
    )
    approval_expires: Duration = Field(
        timedelta(minutes=30), description="How long a rule that asks waits for an answer."
    )
    correlated: Correlation = Field(default_factory=Correlation)
    demotion: Demoting = Field(default_factory=Demoting)


class AnalysisSettings(Schema):
    """Who explains an incident, and what that may cost. Without a model, rules do it."""

    model: str | None = Field(
        None, description="A Bedrock model or inference profile, such as eu.anthropic.claude-…."
    )
    region: str | None = Field(None, description="Of the model; none means the stack's own.")
    max_input_tokens: int = Field(8000, ge=2000, le=100_000)
    max_output_tokens: int = Field(800, ge=200, le=8000)
    timeout: Duration = timedelta(seconds=20)
    daily_usd: float = Field(1.0, ge=0, description="Beyond that the model is not asked any more.")
    input_usd_per_1k: float = Field(0.003, ge=0, description="What the model costs; see its price.")
    output_usd_per_1k: float = Field(0.015, ge=0)


class Vpc(Schema):
    """Where the functions run, for those who must have them inside a network."""

    vpc_id: str = Field(pattern=r"^vpc-[0-9a-f]+$", examples=["vpc-0a1b2c3d"])
    subnet_ids: tuple[str, ...] = Field(min_length=1)
    security_group_ids: tuple[str, ...] = Field(min_length=1)


class LambdaSettings(Schema):
    """How the functions are sized."""

    memory_mb: int = Field(512, ge=128, le=10240)
    timeout: Duration = timedelta(seconds=60)
    vpc: Vpc | None = None


class Configuration(Schema):
    """Everything that can be configured."""

    service: str = Field(
        "autorecovery", pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$", examples=["shop"]
    )
    targets: Targets = Field(default_factory=Targets)
    sources: Sources = Field(default_factory=Sources)
    rules: dict[str, Rule] = Field(default_factory=dict)
    notify: Notify = Field(default_factory=Notify)
    ingest: Ingest = Field(default_factory=Ingest)
    limits: Limits = Field(default_factory=Limits)
    analysis: AnalysisSettings = Field(default_factory=AnalysisSettings)
    maintenance: tuple[MaintenanceWindow, ...] = ()
    canary: Canary | None = Field(
        None, description="A synthetic incident on a schedule, and an alarm on its absence."
    )
    functions: LambdaSettings = Field(default_factory=LambdaSettings, alias="lambda")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @model_validator(mode="before")
    @classmethod
    def _name_the_rules(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(rules := data.get("rules"), dict):
            named = {
                k: {**v, "name": str(k)} if isinstance(v, dict) else v for k, v in rules.items()
            }
            return {**data, "rules": named}
        return data

    @property
    def metrics_namespace(self) -> str:
        """Return the CloudWatch namespace of what our log metric filters find."""
        return f"AutoRecovery/{self.service}"

    def namespace_of(self, metric: str, configured: str | None) -> str:
        """Return the namespace of a metric: configured, well known, or ours."""
        return configured or KNOWN_NAMESPACES.get(metric) or self.metrics_namespace
