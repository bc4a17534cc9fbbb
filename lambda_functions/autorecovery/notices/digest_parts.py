"""What a digest consists of: a few sentences, and tables; for its template and as text."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from autorecovery.models.digest import Digest, Noise, Open, Suppressed, Trend, Undelivered
from autorecovery.models.durations import write_duration
from autorecovery.models.scorecard import Scorecard
from autorecovery.notices.clauses import number
from autorecovery.notices.fitting import fit
from autorecovery.notices.levels import SHAPES
from autorecovery.notices.sizes import SIZES, Size

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a digest: which of its lists it shows, and how each entry becomes a row."""

    name: str
    heads: Row
    widths: Row
    of: Callable[[Digest], Sequence[Any]]
    row: Callable[[Any], Row]


IN_TEXT = SIZES[1]


def digest_title(digest: Digest) -> str:
    """Return what it is about, in a line that says whether it is worth opening."""
    span = digest.until - digest.since
    of = "the day" if span <= timedelta(days=1) else f"{round(span / timedelta(days=1))} days"
    if digest.is_quiet:
        return f"A quiet time: {of} to {digest.until:%Y-%m-%d}"
    undone = f", {len(digest.still_open)} still open" if digest.still_open else ""
    return f"{_incidents(digest)} in {of} to {digest.until:%Y-%m-%d}{undone}"


def _incidents(digest: Digest) -> str:
    least = "" if digest.is_complete else "at least "
    return f"{least}{digest.incidents:,} incident{'' if digest.incidents == 1 else 's'}"


def digest_parts(digest: Digest, size: Size) -> dict[str, Any]:
    """Return what the template of a digest asks for, in this size."""
    return {"words": list(_words(digest)), "tables": list(_tables(digest, size))}


def _words(digest: Digest) -> Iterable[str]:
    span = f"{digest.since:%Y-%m-%d %H:%M} to {digest.until:%Y-%m-%d %H:%M} UTC"
    if digest.is_quiet:
        told = f" {digest.notices:,} notices were sent." if digest.notices else ""
        yield f"Nothing happened from {span}.{told}"
        return
    yield f"From {span}: {_incidents(digest)}{_healed(digest)}."
    yield _recoveries(digest)
    if digest.median_to_recover is not None and digest.worst_to_recover is not None:
        median, worst = map(write_duration, (digest.median_to_recover, digest.worst_to_recover))
        yield (
            f"From opened to verified it took {worst}."
            if digest.verified == 1
            else f"From opened to verified half of them took at most {median}, the longest {worst}."
        )


def _healed(digest: Digest) -> str:
    return f", {digest.healed:,} of them healed by themselves" if digest.healed else ""


def _recoveries(digest: Digest) -> str:
    if not digest.recoveries:
        return "No recovery was run."
    counts = (
        (digest.verified, "verified on fresh data"),
        (digest.failed, "did not help"),
        (digest.unclear, "with an unclear outcome"),
    )
    told = ", ".join(f"{count:,} {words}" for count, words in counts if count)
    was = "recovery was" if digest.recoveries == 1 else "recoveries were"
    return f"{digest.recoveries:,} {was} run: {told}."


def _tables(digest: Digest, size: Size) -> Iterable[dict[str, Any]]:
    for table in _TABLES:
        found = table.of(digest)
        shown = [table.row(each) for each in found[: size.rows]]
        left = len(found) - len(shown)
        if shown:
            yield {
                "name": table.name,
                "heads": table.heads,
                "rows": [[fit(cell, size.text) for cell in row] for row in shown],
                "widths": table.widths,
                "left": f"… and {left:,} more." if left else "",
            }


# Three columns at most: more cannot be read on a phone.


def _open(each: Open) -> Row:
    target = each.target.partition("/")[2] or each.target
    what = f"{SHAPES[each.level]} {each.rule_name} on {target}"
    return f"{each.opened_at:%m-%d %H:%M}", what, each.incident_id


def _undelivered(each: Undelivered) -> Row:
    why = f"{each.via}: {each.detail or 'no reason given'}"
    return f"{each.at:%m-%d %H:%M}", each.headline, why


def _trend(each: Trend) -> Row:
    sign = "+" if each.change_per_day > 0 else ""
    now = f"{number(each.value)}, {sign}{number(each.change_per_day)} a day"
    return f"{each.metric} of {each.target}", now, _days(each)


def _days(trend: Trend) -> str:
    if trend.days_left is None:
        return "not on its way"
    return f"{number(trend.limit)} in {number(trend.days_left)} days"


def _noise(each: Noise) -> Row:
    return each.rule_name, f"{each.incidents:,}", f"{each.targets:,}"


def _card(card: Scorecard) -> Row:
    took = write_duration(card.recovery_p50) if card.recovery_p50 is not None else "-"
    sure = f", so {100 * card.low:.0f} to {100 * card.high:.0f} %" if card.attempts else ""
    verified = f"{card.verified} of {card.attempts}{sure}"
    return f"{card.script} under {card.rule_name}", verified, took


def _silence(each: Suppressed) -> Row:
    return each.why, f"{each.notices:,}"


_TABLES = (
    Table(
        "Still open", ("Since (UTC)", "What", "Incident"), ("24%", "", "34%"),
        lambda digest: digest.still_open, _open,
    ),
    Table(
        "Not delivered", ("At (UTC)", "Notice", "Channel, and why"), ("24%", "", "34%"),
        lambda digest: digest.undelivered, _undelivered,
    ),
    Table(
        "Trends", ("Metric", "Now", "To the limit"), ("", "26%", "26%"),
        lambda digest: digest.trends, _trend,
    ),
    Table(
        "Noisiest rules", ("Rule", "Incidents", "Targets"), ("", "22%", "22%"),
        lambda digest: digest.noisiest, _noise,
    ),
    Table(
        "How scripts did in 30 days", ("Script", "Verified (95 %)", "Took"), ("", "36%", "18%"),
        lambda digest: digest.scorecards, _card,
    ),
    Table(
        "Told to nobody", ("Why", "Notices"), ("", "22%"),
        lambda digest: digest.suppressed, _silence,
    ),
)  # fmt: skip


def digest_text(digest: Digest) -> list[str]:
    """Return the digest's paragraphs as text."""
    lines = list(_words(digest))
    for table in _tables(digest, IN_TEXT):
        lines += ["", f"{table['name']}:", f"  {' | '.join(table['heads'])}"]
        lines += [f"  {' | '.join(row)}" for row in table["rows"]]
        lines += [f"  {table['left']}"] if table["left"] else []
    return lines
