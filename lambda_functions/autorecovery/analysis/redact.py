"""Takes secrets and personal data out of text before a model, or anybody else, reads it.

It works on shapes, so it takes a little too much rather than too little; what operators live by
(instance ids, timestamps, versions, measured values, hashes in hexadecimal) stays. Every pattern
needs linear time, however hostile the line: its repetitions are bounded, or possessive, or start
only where a word starts.
"""

import re
from collections.abc import Callable
from ipaddress import IPv6Address

SECRET = "[secret]"

_NAMES = (
    r"passw(?:or)?d|passphrase|(?<![a-z])pass(?![a-z])|(?<![a-z])pwd|secret(?!ar)"
    r"|token(?!s|_count|iz)|api[_-]?key|access[_-]?key|private[_-]?key|signing[_-]?key"
    r"|credential|session[_-]?id|x-amz-signature|(?<=[?&])(?:sig|signature|code|key)(?==)"
)
_QUOTED = r"""\\{1,3}"[^"]*+"?|"(?:\\.|[^"\\])*+"?|\\{1,3}'[^']*+'?|'(?:\\.|[^'\\])*+'?"""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_HEADER = re.compile(
    r"""(?<![\w-])((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)(\\?["']?\s{0,3}[:=]\s{0,3})"""
    rf"(?:\[secret\]|{_QUOTED}|[^\r\n]+)",
    re.IGNORECASE,
)
_NAMED = re.compile(
    rf"""((?:{_NAMES})[\w-]{{0,40}})(\\{{0,3}}["']?\s{{0,3}}(?:=>|[:=])\s{{0,3}})"""
    rf"""(?:{_QUOTED}|[^\s,;&"'}}\])<>]+)""",
    re.IGNORECASE,
)
_OPTION = re.compile(
    r"(--(?:[a-z]{1,20}-)?(?:password|pass|token|secret|api-key))(\s{1,3})[^\s-]\S*", re.IGNORECASE
)
_BEARER = re.compile(r"\b(Bearer|Basic)\s{1,3}[\w.~+/=-]{8,}", re.IGNORECASE)
_IN_URL = re.compile(r"""(?<=://)[^\s/@:"'<>]{0,128}:[^\s"'<>@]{1,256}@""")
_KNOWN_KINDS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:A3T|AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|AROA|APKA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|eyJ[\w-]{5,}+\.[\w-]++(?:\.[\w-]*+)?"
    r"|(?:xox[a-z]-|xapp-|gh[pousr]_|github_pat_|glpat-|sk-|[sr]k_live_|AIza|SG\.|hf_|npm_)"
    r"[\w.-]{10,}+"
    r"|\d{8,10}:[\w-]{30,40}(?![\w-]))"
)
_LONG_WORD = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{40,}+={0,2}")
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]++@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_CARD = re.compile(
    r"(?<![\w.-])(?:\d{14,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})(?![\w-])"
)
_PHONE = re.compile(
    r"(?<![\w+(.-])(?:\+\d[\d ()-]{6,20}\d|\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4})(?![\w.:-]*\d)"
)
_MAYBE_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:.]{3,}+(?!\w)")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)")

_OURSELVES = ("127.", "0.0.0.0")
"""Addresses that are nobody's."""


class Redactor:
    """Replaces what must not be read; the same address becomes the same placeholder each time."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def __call__(self, text: str) -> str:
        """Return the text without secrets and personal data."""
        text = _PRIVATE_KEY.sub("[private key]", text)
        text = _HEADER.sub(rf"\1\2{SECRET}", text)
        text = _NAMED.sub(_named, text)
        text = _OPTION.sub(rf"\1\2{SECRET}", text)
        text = _BEARER.sub(rf"\1 {SECRET}", text)
        text = _IN_URL.sub(f"{SECRET}@", text)
        text = _KNOWN_KINDS.sub(SECRET, text)
        text = _LONG_WORD.sub(_long_word, text)
        text = _EMAIL.sub(self._as("email", str.lower), text)
        text = _CARD.sub(_card, text)
        text = _PHONE.sub(_phone, text)
        text = _MAYBE_IPV6.sub(self._ipv6, text)
        return _IPV4.sub(self._ipv4, text)

    def _as(self, kind: str, normal: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
        return lambda found: self._placeholder(kind, normal(found[0]))

    def _placeholder(self, kind: str, value: str) -> str:
        number = 1 + sum(1 for known, _ in self._known if known == kind)
        return self._known.setdefault((kind, value), f"[{kind}-{number}]")

    def _ipv6(self, found: re.Match[str]) -> str:
        word = found[0].rstrip(".")
        tail = found[0][len(word) :]
        if word.count(":") < 2 or len(word) > 45 or not any(map(str.isdigit, word)):
            return found[0]  # a time is no address, nor is the `a::b` of a program
        try:
            address = IPv6Address(word)
        except ValueError:
            return found[0]
        if address.is_loopback or address.is_unspecified:
            return found[0]
        return self._placeholder("ip", address.compressed) + tail

    def _ipv4(self, found: re.Match[str]) -> str:
        word = found[0]
        if any(int(part) > 255 for part in word.split(".")) or word.startswith(_OURSELVES):
            return word
        if _is_version(found.string[max(0, found.start() - 12) : found.start()]):
            return word
        return self._placeholder("ip", word)


def _named(found: re.Match[str]) -> str:
    """Return the name with its value taken out; a value that is gone already is left."""
    return found[0] if found[0].endswith((SECRET, "[secret")) else f"{found[1]}{found[2]}{SECRET}"


def _is_version(before: str) -> bool:
    """Return whether what stands before four numbers says that they are a version."""
    return bool(re.search(r"(?:version[ =:\"']*|[a-z_]/|[a-z_]-)$", before, re.IGNORECASE))


def _long_word(found: re.Match[str]) -> str:
    """Return the placeholder for what looks random, and paths, names and hashes as they are."""
    parts = found[0].split("/")
    return SECRET if any(len(part) >= 16 and _is_mixed(part) for part in parts) else found[0]


def _is_mixed(word: str) -> bool:
    tests = (str.islower, str.isupper, str.isdigit)
    return all(any(test(character) for character in word) for test in tests)


def _card(found: re.Match[str]) -> str:
    digits = [int(character) for character in found[0] if character.isdigit()]
    issuer = digits[0] * 10 + digits[1]
    if not (30 <= issuer <= 69 or 22 <= issuer <= 27):
        return found[0]  # such as a timestamp in microseconds
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return "[card]" if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else found[0]


def _phone(found: re.Match[str]) -> str:
    count = sum(character.isdigit() for character in found[0])
    return "[phone]" if 8 <= count <= 15 else found[0]
