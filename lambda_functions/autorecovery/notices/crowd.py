"""One notice for many incidents: who is worst, how many there are, and what they share."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from autorecovery.models.durations import write_duration
from autorecovery.models.group import Group, GroupKind, Word, is_group
from autorecovery.models.notice import Fact, Notice, NoticeKind
from autorecovery.models.reason import Level
from autorecovery.notices.fitting import one_line

NAMED = 10
"""Members that a notice about many of them names."""

_SHARED = (
    "That is hardly each machine's own trouble: look at what they share first"
    " (zone, network, deploy, database). Nothing is run on those that came in the crowd."
)
_DONE = "Each is healthy on fresh data, or was closed by a person. Nothing to do for you."


def crowd(group: Group, words: Sequence[Word], *, many: bool, number: int, now: datetime) -> Notice:
    """Return the notice of a group: the last word of each member; it is the group's `number`th.

    `many` says that so many targets broke one rule at once that the rule's recovery holds still.
    """
    still = [word for word in words if not word.is_over]
    lasted = write_duration(now - group.began)
    size, left = _count(words), _count(still)
    if still:
        level = max((word.level for word in still), key=lambda each: each.rank)
        headline = _headline(group, still, size)
        since = f"{left:,} of {size:,} still open, since {group.began:%Y-%m-%d %H:%M:%S} UTC."
        lines = [since, *([_SHARED] if many else []), *_worst(still)]
    else:
        level, lines = Level.INFO, [_DONE]
        headline = f"{group.name}: {_end(group, size)} after {lasted}"
    return Notice(
        id=f"{group.id}-{number}",
        incident_id=next((word.of for word in words if not is_group(word.of)), ""),
        kind=NoticeKind.STORM,
        level=level,
        headline=f"[{level.upper()}] {one_line(headline)}",
        lines=tuple(one_line(line) for line in lines),
        at=now,
        rule_name=group.name if group.kind is GroupKind.ALIKE else "",
        target=f"{size} incidents",
        conversation=group.id,
        state=f"{left:,} of {size:,} open" if still else "over",
        facts=(
            Fact("Open", f"{left:,} of {size:,}"),
            Fact("For", lasted),
            *_facts(still),
        ),
        next_steps=("autorecovery incidents list",) if still else (),
    )


def _headline(group: Group, still: Sequence[Word], size: int) -> str:
    if group.kind is GroupKind.HOUSEHOLD:
        return f"{size:,} more {'incident' if size == 1 else 'incidents'} on {group.name}"
    if group.kind is GroupKind.FLAPPING:
        return f"{group.name}: still not calm, {size:,} times so far"
    if group.kind is GroupKind.EVERYTHING:
        rules = len({word.rule_name for word in still})
        return f"{size:,} more incidents, of {rules:,} rules, told together"
    if size == 1:
        return f"one more with the trouble {group.name}: {still[0].target}"
    return f"{size:,} machines have the same trouble: {group.name}"


def _end(group: Group, size: int) -> str:
    if group.kind is GroupKind.FLAPPING:
        return f"calm again, it came {size:,} times"
    return f"over on all {size:,}"


def _worst(still: Sequence[Word]) -> list[str]:
    """Return who is worst, each with what is wrong."""
    ordered = sorted(still, key=lambda word: (-word.level.rank, -word.size, word.at))
    lines = [f"{_brief(word.target, 60)}: {_brief(word.text, 90)}" for word in ordered[:NAMED]]
    more = _count(ordered[NAMED:])
    return [*lines, f"and {more:,} more"] if more else lines


def _facts(still: Sequence[Word]) -> list[Fact]:
    """Return the count by rule, where there are several."""
    rules: Counter[str] = Counter()
    for word in still:
        rules[word.rule_name] += word.size
    if len(rules) < 2:
        return []
    return [Fact(_brief(rule, 40), f"{count:,} open") for rule, count in rules.most_common(NAMED)]


def _count(words: Sequence[Word]) -> int:
    return sum(word.size for word in words)


def _brief(text: str, at_most: int) -> str:
    plain = one_line(text)
    return plain if len(plain) <= at_most else f"{plain[: at_most - 1].rstrip()}…"
