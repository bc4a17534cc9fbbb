"""Makes text inert: one line without control codes, marks of direction, markup or links."""

import re
import unicodedata

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]{0,40}[ -/]{0,10}[@-~]|\][^\x07\x1b]{0,400}\x07?|[@-Z\\-_])")
_TAG = re.compile(r"<[/!@#A-Za-z][^<>]{0,300}>")
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()\s]{0,500}\)")
_URL = re.compile(r"(?:\b[a-z][a-z0-9+.-]{1,15}:/{2}|\bwww\.)[^\s<>\"']{1,500}", re.IGNORECASE)
_MARKS = re.compile(r"[`*_~#]{2,}|`")

NO_LINK = "[link removed]"

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that steer a terminal or a reader, or hide: the bidirectional marks, the
tag characters and the zero-width ones are all among them."""


def one_line(text: str) -> str:
    """Return the text as one line of characters that can be seen."""
    text = _ESCAPES.sub(" ", text)
    if not text.isprintable():
        text = "".join(c if unicodedata.category(c) not in _UNSEEN else " " for c in text)
    return " ".join(text.split())


def without_markup(text: str) -> str:
    """Return what a model wrote as plain words: no links, no tags, no mark-up."""
    text = _LINK.sub(r"\1", one_line(text))
    text = _URL.sub(NO_LINK, _TAG.sub("", text))
    return " ".join(_MARKS.sub("", text).split())


def has_link(text: str) -> bool:
    """Return whether something in the text could be followed."""
    return bool(_URL.search(text) or _LINK.search(text))


def shortened(text: str, longest: int) -> str:
    """Return the text, cut where it is longer, and seen to be cut."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
