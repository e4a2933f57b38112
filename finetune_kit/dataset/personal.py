"""Personal data and secrets in texts, by patterns. This is no guarantee.

Each pattern names the form it looks for; what has no fixed form (names, addresses,
illnesses) is not found. presidio-analyzer looks for more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: What a model must never learn, since who has it can act as its owner: name -> what
#: each begins with, its form.
SECRETS = {
    "an OpenAI key": ("sk-", r"\bsk-(?!ant-)[A-Za-z0-9_-]{20,}"),
    "an Anthropic key": ("sk-ant-", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    "a GitHub token": ("gh", r"\bgh[pousr]_[A-Za-z0-9]{36}"),
    "a GitHub token of the newer kind": ("github_pat_", r"\bgithub_pat_\w{60,}"),
    "an AWS access key": ("A", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a Google API key": ("AIza", r"\bAIza[A-Za-z0-9_-]{35}"),
    "a Hugging Face token": ("hf_", r"\bhf_[A-Za-z0-9]{30,}"),
    "a Slack token": ("xox", r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "a Stripe key": ("k_live_", r"\b[rs]k_live_[A-Za-z0-9]{20,}"),
    "a private key": ("-----BEGIN", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "a JSON web token": ("eyJ", r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
}
#: Personal data: name -> a sign in each, its form.
PERSONAL = {
    "an e-mail address": (
        "@",
        r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,}\b",
    ),
    "a phone number": ("+", r"(?<![\w+])\+\d{1,3}(?:[ .()/-]{0,2}\d){7,12}\b"),
    "an IP address": (".", r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)"),
    "an IBAN": (
        "",
        r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b",
    ),
    "a card number": ("", r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-]|\.\d)"),
}
#: Reserved for examples (RFC 2606, RFC 5737) or for no computer of the world.
_HARMLESS = re.compile(
    r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net)|[\w-]+\.(?:example|test|invalid))$"
    r"|^(?:127|10|0|255|192\.168|192\.0\.2|198\.51\.100|203\.0\.113)\.",
    re.IGNORECASE,
)
_PATTERNS = [
    (name, sign, re.compile(pattern), patterns is SECRETS)
    for patterns in (SECRETS, PERSONAL)
    for name, (sign, pattern) in patterns.items()
]
_NUMBERS = re.compile(r"\d[\d .()/-]{6}")


def found_in(text: str) -> Iterator[tuple[bool, str, str]]:
    """(whether a secret, what it is, the text found) for each place."""
    numbers = None
    for name, sign, pattern, is_secret in _PATTERNS:
        if sign not in text:
            continue
        if not is_secret and sign != "@":
            numbers = bool(_NUMBERS.search(text)) if numbers is None else numbers
            if not numbers:
                continue
        for match in pattern.finditer(text):
            if _is_real(name, match.group()):
                yield is_secret, name, match.group()


def covered(mark: str) -> str:
    """The start of what was found: a report must not spread it."""
    return mark[: max(4, len(mark) // 4)] + "…"


def all_covered(text: str) -> str:
    """A text with all that is found in it covered."""
    for _, _, mark in longest_first(text):
        text = text.replace(mark, covered(mark))
    return text


def longest_first(text: str) -> list[tuple[bool, str, str]]:
    """What is found, so that none is replaced within a longer one."""
    return sorted(found_in(text), key=lambda found: -len(found[2]))


def _is_real(name: str, found: str) -> bool:
    if _HARMLESS.search(found):
        return False
    if name == "a card number":
        return _luhn([int(digit) for digit in found if digit.isdigit()])
    if name == "an IBAN":
        return _mod_97(found.replace(" ", ""))
    if name == "an IP address":
        return all(int(part) < 256 for part in found.split("."))
    return True


def _luhn(digits: list[int]) -> bool:
    """The check digit of payment cards (ISO/IEC 7812)."""
    doubled = [d * 2 - 9 * (d > 4) for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _mod_97(iban: str) -> bool:
    """The check digits of an IBAN (ISO 13616)."""
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1
