"""Whom to ask: a model, where there is one, it may be paid and its answer is of use; else rules."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from autorecovery.analysis import spend
from autorecovery.analysis.dossier import Dossier
from autorecovery.analysis.inert import one_line, shortened
from autorecovery.analysis.prompt import LONGEST, prompt_of
from autorecovery.analysis.read_answer import UnusableAnswerError, read_answer
from autorecovery.analysis.stage import Opinion, Reporter
from autorecovery.errors import AnalysisError, StoreError
from autorecovery.models.analysis import RULE_BASED, Analysis
from autorecovery.ports import Model, Prompt, Reply

NO_MODEL = "no model is configured"


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking a model."""

    reply: Reply | None = None
    micro_usd: int = 0
    why_not: str = ""


def analyse(
    dossier: Dossier, by_rules: Opinion, app: Reporter, redact: Callable[[str], str]
) -> Analysis:
    """Return the analysis of this dossier: the model's, or that of rules with the reason why."""
    plain = _plain(by_rules, redact)
    if app.model is None:
        return _analysis(dossier, plain, RULE_BASED, Asked(why_not=NO_MODEL), app)
    asked = _ask(dossier, app.model, app)
    if asked.reply is None:
        return _analysis(dossier, plain, RULE_BASED, asked, app)
    try:
        read = read_answer(asked.reply, dossier, by_rules.did_recovery_work, redact)
    except UnusableAnswerError as error:
        asked = replace(asked, why_not=f"{app.model.name}: {error}")
        return _analysis(dossier, plain, RULE_BASED, asked, app)
    return _analysis(dossier, read.opinion, app.model.name, asked, app, read.dropped)


def _analysis(
    dossier: Dossier, opinion: Opinion, by: str, asked: Asked, app: Reporter, dropped: int = 0
) -> Analysis:
    return Analysis(
        subject=dossier.subject,
        by=by,
        at=app.clock(),
        summary=opinion.summary,
        likely_causes=opinion.likely_causes,
        did_recovery_work=opinion.did_recovery_work,
        next_steps=opinion.next_steps,
        not_known=opinion.not_known,
        evidence=dossier.pieces,
        why_not_model=asked.why_not,
        dropped=dropped,
        input_tokens=asked.reply.input_tokens if asked.reply else 0,
        output_tokens=asked.reply.output_tokens if asked.reply else 0,
        cost_usd=asked.micro_usd / spend.MICRO,
    )


def _ask(dossier: Dossier, model: Model, app: Reporter) -> Asked:
    """Return what the model answered; the money for the most it may cost is set aside before."""
    settings = app.configuration.analysis
    prompt, price = prompt_of(dossier, settings.max_output_tokens), spend.Price.of(settings)
    wanted = spend.reservation(secrets.token_hex(8), app.clock(), spend.most(prompt, price))
    try:
        if not app.spending.reserve(wanted, round(settings.daily_usd * spend.MICRO)):
            return Asked(why_not=f"the limit of {settings.daily_usd:g} USD a day is reached")
    except StoreError as error:
        return Asked(why_not=f"what was spent today is not known: {error}")
    reply, why_not, billed = _answer(prompt, model)
    spent = spend.cost_of(reply, price) if reply else wanted.micro_usd if billed else 0
    with suppress(StoreError):  # then what was set aside stays counted: the limit holds
        app.spending.settle(wanted, spent)
    return Asked(reply, spent, why_not)


def _answer(prompt: Prompt, model: Model) -> tuple[Reply | None, str, bool]:
    try:
        return model.ask(prompt), "", True
    except AnalysisError as error:
        return None, f"{model.name}: {error}", error.billed


def _plain(opinion: Opinion, redact: Callable[[str], str]) -> Opinion:
    """Return what rules say, with the names that events gave to things made harmless."""

    def plain(text: str, kind: str) -> str:
        return shortened(one_line(redact(text)), LONGEST[kind])

    # Of what had no room in the dossier nobody can show that it is so.
    proven = (cause for cause in opinion.likely_causes if cause.evidence_ids)
    causes = tuple(replace(cause, text=plain(cause.text, "cause")) for cause in proven)
    steps = tuple(replace(s, text=plain(s.text, "step")) for s in opinion.next_steps)
    return replace(
        opinion,
        summary=plain(opinion.summary, "summary"),
        likely_causes=causes,
        next_steps=steps,
        not_known=tuple(plain(each, "unknown") for each in opinion.not_known),
    )
