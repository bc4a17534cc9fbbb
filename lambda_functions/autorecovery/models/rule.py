"""What counts as bad, for how long, and what to do about it: rules, as configuration writes them.

An incident carries the rule it was opened with, so these types also travel through the stores.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    model_validator,
)

from autorecovery.models.actions import ASK_HUMAN
from autorecovery.models.durations import read_count, read_duration, write_duration
from autorecovery.models.reason import Autonomy, Level


class Schema(BaseModel):
    """A frozen piece of configuration; unknown keys are errors."""

    # Built on first use: a piece is nearly always read as a part of the whole.
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


def _is_plain_text(value: object) -> object:
    """Let numbers stand where text is expected: YAML needs quotes for what people see as text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


Text = Annotated[str, BeforeValidator(_is_plain_text)]
"""Text in which `500` may be written without quotes."""


def _is_no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


Limit = Annotated[float, BeforeValidator(_is_no_truth_value), Field(allow_inf_nan=False)]

FieldPath = Annotated[str, Field(pattern=r"^\$(\.[A-Za-z0-9_@-]+)+$", examples=["$.host.id"])]
"""A path into a JSON log line: keys only, from the top."""

Duration = Annotated[
    timedelta, BeforeValidator(read_duration), PlainSerializer(write_duration, return_type=str)
]


MOST_COUNTED = 100
"""Breaches remembered per rule and target: enough to count in a window, little enough to store."""


class Sustained(Schema):
    """So many breaching datapoints within a window; healthy ones need not be remembered."""

    count: int = Field(ge=1)
    window: Duration


class Frequency(Schema):
    """So many occurrences per window."""

    count: int = Field(ge=1)
    window: Duration


def _sustained(text: object) -> object:
    if isinstance(text, str):
        count, window = read_count(text, "within")
        return {"count": count, "window": window}
    return text


def _frequency(text: object) -> object:
    if isinstance(text, str):
        count, window = read_count(text, "per")
        return {"count": count, "window": window}
    return text


SustainedText = Annotated[
    Sustained,
    BeforeValidator(_sustained),
    PlainSerializer(lambda s: f"{s.count} within {write_duration(s.window)}", return_type=str),
]
FrequencyText = Annotated[
    Frequency,
    BeforeValidator(_frequency),
    PlainSerializer(lambda f: f"{f.count} per {write_duration(f.window)}", return_type=str),
]

Statistic = Annotated[
    str,
    Field(
        pattern=r"^(Average|Sum|Minimum|Maximum|SampleCount|p\d{1,2}(\.\d+)?)$",
        examples=["Average", "p99"],
    ),
]

ALARM_MARKER = re.compile(
    r"^autorecovery:rule=(?P<rule>.+?)(?: level=(?P<level>warning|critical))?$", re.MULTILINE
)
"""The line by which an alarm of ours names its rule, in its description."""


def alarm_marker(rule_name: str, level: Level) -> str:
    """Return the line by which an alarm of ours names its rule and level; see ALARM_MARKER."""
    return f"autorecovery:rule={rule_name} level={level}"


SILENT = "silent"
"""The state of a host that no longer sends; `running` is what undoes it."""

CLEARING_GAP = 10.0
"""How far beyond the warning limit a value must be to count as healthy, unless configured."""


class MetricCondition(Schema):
    """A number against limits, with hysteresis: breaching at a limit, healthy only past `clear`."""

    metric: str = Field(min_length=1, description="The metric's name, in lines and in CloudWatch.")
    namespace: str | None = Field(
        None, description="CloudWatch namespace; known for common metrics."
    )
    dimensions: dict[str, Text] = Field(
        default_factory=dict,
        description="Further dimensions of the series an alarm watches; log lines have none.",
    )
    statistic: Statistic = "Average"
    period: Duration = timedelta(minutes=1)
    instances: tuple[str, ...] = Field((), description="One alarm each; none means every instance.")
    direction: Literal["above", "below"] = "above"
    warning: Limit | None = None
    critical: Limit | None = None
    clear: Limit | None = Field(
        None,
        alias="clear_below",
        description="Healthy only past this value; `clear_above` where the direction is below.",
    )
    sustained: SustainedText | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_either_word(cls, data: Any) -> Any:
        """Let rules that look downward say `clear_above`."""
        if isinstance(data, dict) and "clear_above" in data:
            if data.get("direction") != "below" or "clear_below" in data:
                raise ValueError("clear_above is for `direction: below`; say clear_below")
            data = {**data, "clear_below": data["clear_above"]}
            del data["clear_above"]
        return data

    @model_validator(mode="after")
    def _limits_make_sense(self) -> "MetricCondition":
        if self.warning is None and self.critical is None:
            raise ValueError("give a limit: warning, critical or both")
        if (
            self.warning is not None
            and self.critical is not None
            and not self._is_worse_or_equal(self.critical, self.warning)
        ):
            raise ValueError(
                f"critical ({self.critical:g}) must lie beyond warning ({self.warning:g})"
            )
        clear, first = self.clear, self.first_limit
        if clear is not None and clear != first and self._is_worse_or_equal(clear, first):
            raise ValueError(
                f"the clearing value ({clear:g}) must not lie beyond the first limit ({first:g})"
            )
        return self

    def _is_worse_or_equal(self, value: float, limit: float) -> bool:
        return value >= limit if self.direction == "above" else value <= limit

    @property
    def first_limit(self) -> float:
        """Return the limit that is met first on the way to trouble."""
        limit = self.warning if self.warning is not None else self.critical
        assert limit is not None, "validated above"
        return limit

    @property
    def clearing_value(self) -> float:
        """Return the value past which the metric is healthy: configured, or ten under the limit."""
        if self.clear is not None:
            return self.clear
        gap = CLEARING_GAP if abs(self.first_limit) > CLEARING_GAP else abs(self.first_limit) / 10
        return self.first_limit - gap if self.direction == "above" else self.first_limit + gap

    def level_of(self, value: float) -> Level | None:
        """Return how bad the value is, or None where it breaks no limit."""
        if self.critical is not None and self._is_worse_or_equal(value, self.critical):
            return Level.CRITICAL
        if self.warning is not None and self._is_worse_or_equal(value, self.warning):
            return Level.WARNING
        return None

    def is_healthy(self, value: float) -> bool:
        """Return whether the value lies past the clearing value."""
        return not self._is_worse_or_equal(value, self.clearing_value)

    def limit_for(self, level: Level) -> float:
        """Return the limit that a breach of this level has broken."""
        if level is Level.CRITICAL and self.critical is not None:
            return self.critical
        return self.first_limit


class LineMatch(Schema):
    """What a log line must look like: a field with a value, or a pattern anywhere in it."""

    field: FieldPath | None = Field(None, description="A path such as $.level.")
    equals: Text | None = Field(None, min_length=1)
    pattern: str | None = Field(None, min_length=1, description="A regular expression.")

    @model_validator(mode="after")
    def _says_one_thing(self) -> "LineMatch":
        if (self.pattern is None) == (self.field is None):
            raise ValueError("give either a field with the value it equals, or a pattern")
        if (self.field is None) != (self.equals is None):
            raise ValueError("a field needs the value it equals")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
        return self


class LogCondition(Schema):
    """Matching lines, counted in a window, per target."""

    log: LineMatch
    count: FrequencyText
    level: Literal[Level.WARNING, Level.CRITICAL] = Level.CRITICAL


class AlarmCondition(Schema):
    """An alarm that exists already, by its name (`*` and `?` allowed)."""

    alarm: str = Field(min_length=1)
    level: Literal[Level.WARNING, Level.CRITICAL] = Level.CRITICAL


class StateCondition(Schema):
    """A state that something enters: an EC2 instance, a Spot request, AWS Health, or a silence.

    `silent` is a host that sends to the hub, and has stopped.
    """

    state: Literal[
        "stopped", "stopping", "shutting-down", "terminated", "spot-interruption", "health-event",
        "silent",
    ]  # fmt: skip
    level: Literal[Level.WARNING, Level.CRITICAL] = Level.CRITICAL

    @property
    def is_about_running(self) -> bool:
        """Return whether an instance that runs again undoes it, as it undoes no interruption."""
        return self.state in ("stopped", "stopping", SILENT)


class AbsenceCondition(Schema):
    """A metric that stops coming."""

    absence: str = Field(min_length=1, description="The metric that must keep coming.")
    lasting: Duration = Field(alias="for")
    namespace: str | None = None
    dimensions: dict[str, str] = Field(default_factory=dict)
    instances: tuple[str, ...] = ()
    level: Literal[Level.WARNING, Level.CRITICAL] = Level.CRITICAL


_CONDITION_KEYS = ("metric", "log", "alarm", "state", "absence")


def _which_condition(data: Any) -> str | None:
    if isinstance(data, Schema):
        return _which_condition(type(data).model_fields)
    keys = data if isinstance(data, dict) else {}
    return next((key for key in _CONDITION_KEYS if key in keys), None)


When = Annotated[
    Annotated[MetricCondition, Tag("metric")]
    | Annotated[LogCondition, Tag("log")]
    | Annotated[AlarmCondition, Tag("alarm")]
    | Annotated[StateCondition, Tag("state")]
    | Annotated[AbsenceCondition, Tag("absence")],
    Discriminator(
        _which_condition,
        custom_error_type="condition",
        custom_error_message="expected one condition, which starts with one of: "
        + ", ".join(_CONDITION_KEYS),
    ),
]


class Verification(Schema):
    """How a rung is proved: healthy for so long, within so long after the script ended."""

    within: Duration = timedelta(minutes=5)
    healthy_for: Duration = timedelta(minutes=1)

    @model_validator(mode="after")
    def _can_be_met(self) -> "Verification":
        if self.healthy_for > self.within:
            raise ValueError("healthy_for cannot be longer than within")
        return self


class Rung(Schema):
    """One entry of a rule's ladder: what is run, its parameters, and its way of being verified."""

    run: str = Field(
        min_length=1, description="A script of recovery_scripts/, without .sh, or an action."
    )
    parameters: dict[str, Text] = Field(default_factory=dict, alias="with")
    verify: Verification = Field(default_factory=Verification)


class Rule(Schema):
    """One thing that can be wrong, and what to do about it."""

    name: str = Field(min_length=1, max_length=300)
    when: When
    recover_at: Literal[Level.WARNING, Level.CRITICAL] = Level.CRITICAL
    autonomy: Autonomy = Autonomy.ASK
    recover: tuple[Rung, ...] = ()
    cooldown: Duration | None = Field(None, description="Instead of limits.cooldown.")
    explains: bool | None = Field(
        None, description="A machine that breaks it is down; other trouble there is told with it."
    )

    def asks_before(self, number: int) -> bool:
        """Return whether the ladder asks a person before its rung of this number, from 1."""
        return number > 1 and self.recover[number - 2].run == ASK_HUMAN
