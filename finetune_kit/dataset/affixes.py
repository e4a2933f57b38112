"""What many texts begin and end with, and whether that is a sign or just their words.

The tool of 2023 took every shared beginning for an instruction and every shared end
for a separator: labels `positive` and `negative` gave it the stop sequence `tive`.
Here a shared end counts only where it is made to be one, and never within a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

#: Ends of ordinary text: a sentence, a quotation, a bracket, a list of JSON.
_TEXT_MARKS = frozenset(".?!,;…\"'”’»)]}。？！")  # noqa: RUF001
_UPPER_WORD = re.compile(r"\s\[?[A-Z]{3,}\]?\s*")
_INSTRUCTION = re.compile(r".*(?:\n|:(?!//)|->|=>|\|)[^\S\n]*", re.DOTALL)

SEPARATORS = (
    " ->",
    "\n\n###\n\n",
    "\n\n===\n\n",
    "\n\n---\n\n",
    "\n\n===>\n\n",
    "\n\n--->\n\n",
)
LAST_SEPARATOR = "\n\n### =>\n\n"
ENDINGS = ("\n", ".", " END", "***", "+++", "&&&", "$$$", "@@@", "%%%")
LAST_ENDING = " [END]"


def common_prefix(texts: Sequence[str]) -> str:
    """The longest text that all begin with."""
    if not texts:
        return ""
    low, high = min(texts), max(texts)  # all others lie between these two
    same = takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False))
    return low[: sum(1 for _ in same)]


def common_suffix(texts: Sequence[str]) -> str:
    """The longest text that all end with."""
    return common_prefix([text[::-1] for text in texts])[::-1]


def instruction(texts: Sequence[str]) -> str:
    """The shared beginning as far as it stands apart from what follows it.

    It ends with a line break, a colon, an arrow or a bar. `Answer about item ` does
    not: without it the rest would be a bare number.
    """
    found = _INSTRUCTION.match(common_prefix(texts))
    prefix = found.group() if found else ""
    leaves_nothing = any(not text[len(prefix) :].strip() for text in texts)
    return "" if leaves_nothing or _tears(prefix) else prefix


def _tears(prefix: str) -> bool:
    """Whether a text that begins so would lose a bracket or a quotation mark."""
    pairs = (("{", "}"), ("[", "]"), ("(", ")"))
    open_ = any(prefix.count(one) != prefix.count(other) for one, other in pairs)
    return open_ or prefix.count('"') % 2 == 1


def separator(prompts: Sequence[str]) -> str:
    """The shared end of prompts where it is a sign that the prompt is over."""
    end = _from_a_word_on(common_suffix(prompts), prompts)
    if known := _known(end, (*SEPARATORS, LAST_SEPARATOR)):
        return known
    return end if _is_sign(end, _TEXT_MARKS) else ""


def ending(completions: Sequence[str]) -> str:
    """The shared end of completions that may serve as a stop sequence.

    It is a sign, not words, and stands nowhere else: an answer cut at its first full
    stop would lose the rest, and a stop sequence is not part of the answer, so that
    JSON stopped at `}` would be broken.
    """
    end = _from_a_word_on(common_suffix(completions), completions)
    signs = [_known(end, (*ENDINGS, LAST_ENDING))]
    if _is_sign(end, _TEXT_MARKS - {"."}) or _UPPER_WORD.fullmatch(end):
        signs.append(end)
    return next(
        (sign for sign in signs if _stands_only_at_the_end(sign, completions)), ""
    )


def unused_separator(prompts: Sequence[str]) -> str:
    """The first usual separator that stands in no prompt."""
    one_line = not any("\n" in prompt for prompt in prompts)
    choices = SEPARATORS if one_line else SEPARATORS[1:]
    return _unused(choices, prompts) or LAST_SEPARATOR


def unused_ending(completions: Sequence[str]) -> str:
    """The first usual ending that stands in no completion."""
    return _unused(ENDINGS, completions) or LAST_ENDING


def visible(text: str) -> str:
    """``text`` with its line breaks written out."""
    return text.replace("\n", "\\n")


def _known(end: str, signs: Sequence[str]) -> str:
    """The longest of the usual signs that ``end`` ends with, or nothing."""
    return max((sign for sign in signs if end.endswith(sign)), key=len, default="")


def _stands_only_at_the_end(sign: str, texts: Sequence[str]) -> bool:
    return bool(sign) and not any(sign in text[: -len(sign)] for text in texts)


def _unused(choices: Sequence[str], texts: Sequence[str]) -> str | None:
    return next(
        (choice for choice in choices if not any(choice in text for text in texts)),
        None,
    )


def _from_a_word_on(end: str, texts: Sequence[str]) -> str:
    """``end`` without the piece of a word that it begins with, if it does."""
    within = end[:1].isalnum() and any(
        text[-len(end) - 1 : -len(end)].isalnum() for text in texts
    )
    return re.sub(r"^\w+", "", end) if within else end


def _is_sign(end: str, text_marks: frozenset[str]) -> bool:
    """Whether it ends with a line break, or with a mark that no ordinary text does."""
    marks = end.rstrip()
    if "\n" in end[len(marks) :]:
        return True
    return bool(marks) and not (marks[-1].isalnum() or marks[-1] in text_marks)
