"""Making text fit: clean of control codes, escaped, and cut with an ellipsis that says so."""

import re
from collections.abc import Callable

ELLIPSIS = "…"

_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_CALL = re.compile(r"(?<!\w)@(?=[\w&!])|<(?=!)")
_INVISIBLE = "\u200b"


def clean(text: str) -> str:
    """Return the text as one line, without control codes, half surrogates and turned directions."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def one_line(text: str) -> str:
    """Return the text clean, with single spaces between its words."""
    return " ".join(clean(text).split())


def length(text: str) -> int:
    """Return how many UTF-16 units the text has, as chat services count."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def fit(text: str, at_most: int, escape: Callable[[str], str] = str) -> str:
    """Return the text, clean and escaped, in at most so many UTF-16 units.

    `escape` works on each character by itself, so that what it makes of one is never cut in two.
    """
    # Cut before anything else: one line of a log may be a megabyte.
    return _cut(clean(text[: at_most + 1]), at_most, escape)


def fit_quietly(text: str, at_most: int, escape: Callable[[str], str]) -> str:
    """Like `fit`; nobody is called by an `@name` in it, for those are broken up invisibly."""
    return _cut(_MENTION.sub(f"@{_INVISIBLE}", clean(text[: at_most + 1])), at_most, escape)


def quiet(text: str) -> str:
    """Return a text that calls nobody in any chat: `@all`, `<@&role>` and `<!here>` are broken."""
    return _CALL.sub(rf"\g<0>{_INVISIBLE}", text)


def _cut(text: str, at_most: int, escape: Callable[[str], str]) -> str:
    whole = escape(text)
    if length(whole) <= at_most:
        return whole
    kept, room = [], at_most - 1
    for character in text:
        piece = escape(character)
        room -= length(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept).rstrip() + ELLIPSIS
