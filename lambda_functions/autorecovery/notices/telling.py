"""What every renderer asks of a notice: what was not said yet, and where the whole is."""

from autorecovery.models.notice import Fact, Notice, NoticeKind
from autorecovery.notices.fitting import one_line

GLUE = 3
"""Words that may stand between facts without saying more than they do."""

_COMMAND = ": autorecovery "
_BARE = "autorecovery "


def unsaid_facts(notice: Notice) -> list[Fact]:
    """Return the facts that neither the headline nor a sentence tells."""
    said = " ".join((notice.headline, *notice.lines))
    return [fact for fact in notice.facts if fact.value not in said]


def untold_lines(notice: Notice, shown: int) -> list[str]:
    """Return the sentences that say more than the first so many facts, which have been shown."""
    return [line for line in notice.lines if _says_more(line, notice.facts[:shown])]


def _says_more(line: str, facts: tuple[Fact, ...]) -> bool:
    left = line
    for fact in facts:
        left = left.replace(fact.value, "") if fact.value else left
    return left == line or sum(word.strip(";:,.") != "" for word in left.split()) > GLUE


def where_the_whole_is(notice: Notice) -> str:
    """Return the words before the command that shows everything, and that command; or nothing."""
    if not notice.incident_id:
        return ""
    whose = "One of them" if notice.kind is NoticeKind.STORM else "The whole story"
    return f"{whose}{_COMMAND}explain {one_line(notice.incident_id)}"


def step_parts(step: str) -> tuple[str, str]:
    """Return what a step says and the command it ends with; either may be empty."""
    if step.startswith(_BARE):
        return "", step
    words, found, command = step.rpartition(_COMMAND)
    return (words, f"{_COMMAND[2:]}{command}") if found else (step, "")
