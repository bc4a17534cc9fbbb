"""One incident in a world of fakes, and an analyst who looks into it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from autorecovery.adapters.sqlite.spending import SqliteSpending
from autorecovery.analysis.run import Outcome, investigate
from autorecovery.analysis.stage import Analyst
from autorecovery.config import Configuration
from autorecovery.models.analysis import Analysis, analyses_in
from autorecovery.models.incident import Incident
from autorecovery.models.notice import NoticeKind
from autorecovery.models.signal import LogOrigin, MetricOrigin
from autorecovery.ports import Datapoint, LogLine, Model, Prompt, Reply
from tests.response_world import RESTART, World, cpu_line, incident, rule

MODEL = "eu.anthropic.claude-test-v1:0"

GOOD: dict[str, Any] = {
    "summary": "The CPU rose from 20 % to 97 % within a minute.",
    "likely_causes": [
        {"text": "A runaway worker.", "evidence_ids": ["E1"], "confidence": "medium"},
    ],
    "did_recovery_work": "unclear",
    "next_steps": [{"text": "Look at the workers.", "command": "ps aux", "risk": "none"}],
    "not_known": ["What was deployed."],
}


class AnsweringModel:
    """Model whose answer is laid out; it keeps what it was asked."""

    name = MODEL

    def __init__(self, content: object = None, stopped: str = "tool_use") -> None:
        self.content, self.stopped = GOOD if content is None else content, stopped
        self.error: Exception | None = None
        self.asked: list[Prompt] = []

    def ask(self, prompt: Prompt) -> Reply:
        self.asked.append(prompt)
        if self.error:
            raise self.error
        return Reply(self.content, self.stopped, input_tokens=2000, output_tokens=300)


class Sources:
    """MetricReader over lists; what is None cannot be read."""

    def __init__(self) -> None:
        self.points: list[Datapoint] = []
        self.written: list[LogLine] = []
        self.error: Exception | None = None

    def datapoints(self, origin: MetricOrigin, since: datetime) -> list[Datapoint]:
        if self.error:
            raise self.error
        return [point for point in self.points if point.at >= since]

    def lines(self, origin: LogOrigin, since: datetime) -> list[LogLine]:
        if self.error:
            raise self.error
        return [line for line in self.written if line.at >= since]


class AnalysisWorld:
    """A world with an incident in it, and who explains it."""

    def __init__(
        self,
        opened: Incident | None = None,
        *,
        model: Model | None = None,
        sources: Sources | None = None,
        **settings: Any,
    ) -> None:
        self.opened = opened or incident(rule(RESTART))
        self.configuration = Configuration.model_validate({"analysis": settings})
        self.world = World(self.opened, configuration=self.configuration)
        self.world.reader.line_of = cpu_line
        self.sources = sources
        self.spending = SqliteSpending(self.world.database)
        self.model = model

    @property
    def analyst(self) -> Analyst:
        return Analyst(
            configuration=self.configuration,
            incidents=self.world.incidents,
            attempts=self.world.attempts,
            metrics=self.sources or self.world.reader,
            noticeboard=self.world.board,
            restraint=self.world.response.telling.restraint,
            spending=self.spending,
            clock=self.world.clock,
            model=self.model,
        )

    def investigate(self, kind: NoticeKind = NoticeKind.OPENED) -> Outcome:
        return investigate(self.opened.id, kind, self.analyst)

    def let_pass(self, span: timedelta) -> None:
        self.world.clock.advance(self.world.clock() + span)

    def analyses(self, conversation: str | None = None) -> list[Analysis]:
        return analyses_in(self.world.incidents.timeline(conversation or self.opened.id))


def explained(*messages: str, model: Model | None = None) -> Analysis:
    """Return the analysis of an incident whose log holds these lines around the breach."""
    sources = Sources()
    world = AnalysisWorld(model=model, sources=sources)
    at = world.opened.breached_at
    sources.written = [LogLine(at - timedelta(seconds=i), m) for i, m in enumerate(messages)]
    world.investigate()
    (analysis,) = world.analyses()
    return analysis


def series(values: Sequence[float], until: datetime) -> list[Datapoint]:
    """Return one datapoint a minute, the last of them at that time."""
    began = until - timedelta(minutes=len(values) - 1)
    return [Datapoint(began + timedelta(minutes=i), value) for i, value in enumerate(values)]
