"""The evidence as it is read and cited: redacted, inert, numbered, and within a budget. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autorecovery.analysis.inert import one_line, shortened
from autorecovery.models.analysis import Piece

CHARACTERS_PER_TOKEN = 4
"""About; of English and logs. The model's own count is what is paid, see `spend.py`."""

LONGEST_PIECE = 1_600
LONGEST_DOSSIER = 60_000
"""Characters, whatever the budget: an entry of a timeline has to hold it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One piece of evidence before it is redacted, cut and numbered."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that an analyst may read, and nothing else."""

    subject: str
    pieces: tuple[Piece, ...]
    gaps: tuple[str, ...]
    """What could not be read, or was left out."""

    def ids(self, *kinds: str) -> tuple[str, ...]:
        """Return the ids of the pieces of these kinds."""
        return tuple(piece.id for piece in self.pieces if piece.kind in kinds)


def assemble(
    subject: str,
    drafts: Sequence[Draft],
    unread: Sequence[str],
    most_tokens: int,
    redact: Callable[[str], str],
) -> Dossier:
    """Return as many drafts as the budget holds, in their order: the most valuable come first."""
    room = min(most_tokens * CHARACTERS_PER_TOKEN, LONGEST_DOSSIER)
    pieces: list[Piece] = []
    missing: dict[str, int] = {}
    for draft in drafts:
        # Redacted before it is cut: half a secret is not recognised.
        text = shortened(one_line(redact(draft.text)), LONGEST_PIECE)
        if len(text) > room:
            missing[draft.kind] = missing.get(draft.kind, 0) + 1
            continue
        room -= len(text)
        pieces.append(Piece(f"E{len(pieces) + 1}", draft.kind, text))
    left_out = [f"left out for want of room: {count} of {kind}" for kind, count in missing.items()]
    gaps = [shortened(one_line(redact(gap)), 300) for gap in (*unread, *left_out)]
    return Dossier(subject, tuple(pieces), tuple(gaps))
