"""Text to tokens and back: byte-level BPE over words (Sennrich et al. 2016).

Every word is stored in lower case behind the symbol `WORD`, which stands for its
leading space, so that `Ana` in a sentence, `ana` in a hurry and `"Ana"` inside JSON
share their tokens. The decoder leaves the space out at the start of the text and after
white space and `" ' ( [ { - / _`. `GLUE` marks any other place where a word has no
space before it, `CAPITAL` and `UPPER` the spelling of the next word. Digits are single
tokens. Every text round-trips.
"""

import heapq
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import resources

SPECIALS = (
    "<|pad|>", "<|text|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>",
    "<|glue|>", "<|capital|>", "<|upper|>", "<|word|>",
)  # fmt: skip
PAD, TEXT, SYSTEM, USER, ASSISTANT, END, GLUE, CAPITAL, UPPER, WORD = range(10)
MARKS = (GLUE, CAPITAL, UPPER)
FIRST_BYTE = len(SPECIALS)
FIRST_MERGE = FIRST_BYTE + 256

PIECE = re.compile(r"(?P<word>[^\W\d_]+)|\d|[\W_]+")  # a word | a digit | between
DROPS_SPACE = frozenset("\"'([{-/_")
GONE = -1  # in place of a symbol that its left neighbour has taken in
LONG = 64  # symbols of a piece; longer ones are merged anew each time


class Tokenizer:
    """Token ids are the specials, 256 bytes, then the merges in order of rank."""

    def __init__(self, merges: Iterable[tuple[int, int]]) -> None:
        self.ranks = {tuple(pair): FIRST_MERGE + i for i, pair in enumerate(merges)}
        self.bytes = [b""] * FIRST_BYTE + [bytes([i]) for i in range(256)]
        self.starts_word = [i == WORD for i in range(FIRST_MERGE)]
        for left, right in self.ranks:
            self.bytes.append(self.bytes[left] + self.bytes[right])
            self.starts_word.append(self.starts_word[left])
        self.merge = lru_cache(maxsize=65536)(self._merge)

    @property
    def vocab_size(self) -> int:
        return len(self.bytes)

    def _merge(self, piece: tuple[int, ...]) -> tuple[int, ...]:
        """Apply the merges to one piece: the lowest rank first, then the leftmost.

        Merged symbols are linked to their neighbours and pairs wait in a heap, so a
        piece of n symbols takes n log n steps.
        """
        ids, n = list(piece), len(piece)
        after, before = list(range(1, n + 1)), list(range(-1, n - 1))
        heap: list[tuple[int, int]] = []

        def rank_at(i: int) -> int | None:
            j = after[i]
            return self.ranks.get((ids[i], ids[j])) if j < n else None

        def offer(i: int) -> None:
            if i >= 0 and (rank := rank_at(i)) is not None:
                heapq.heappush(heap, (rank, i))

        for i in range(n):
            offer(i)
        while heap:
            rank, i = heapq.heappop(heap)
            if rank_at(i) != rank:
                continue  # another merge has taken one of the two
            j = after[i]
            ids[i], ids[j] = rank, GONE
            after[i] = after[j]
            if after[i] < n:
                before[after[i]] = i
            offer(before[i])
            offer(i)
        return tuple(i for i in ids if i != GONE)

    def encode(self, text: str, before: str = "") -> list[int]:
        """Token ids of `text`; names of specials in it are read as plain text.

        `before` is the text that it continues: whether a space stands between the two
        is part of its first token.
        """
        return [
            i
            for unit in units(text, before[-1:])
            for i in (self._merge if len(unit) > LONG else self.merge)(unit)
        ]

    def decode(self, ids: Iterable[int]) -> str:
        decoder = Decoder(self)
        return "".join(decoder.feed(i) for i in ids) + decoder.flush()


def units(text: str, before: str = "") -> Iterator[tuple[int, ...]]:
    """Split a text into pieces for the merges: marks, words, digits, the rest.

    `before` is the character before the text, "" at the start.
    """
    pieces = [(m.group(), m.lastgroup == "word") for m in PIECE.finditer(text)]
    carried = False  # does the next word carry the space that stands before it?
    for i, (piece, is_word) in enumerate(pieces):
        if is_word:
            if not carried and not drops_space(before):
                yield (GLUE,)
            mark, word = spelling(piece)
            if mark:
                yield (mark,)
            yield (WORD, *byte_ids(word))
            carried = False
        else:
            ahead = piece[-2:-1] or before
            before_word = i + 1 < len(pieces) and pieces[i + 1][1]
            carried = before_word and piece[-1] == " " and not drops_space(ahead)
            rest = byte_ids(piece[:-1] if carried else piece)
            if rest:
                yield rest
        before = piece[-1]


def byte_ids(text: str) -> tuple[int, ...]:
    return tuple(FIRST_BYTE + b for b in text.encode("utf-8", "surrogatepass"))


def drops_space(before: str) -> bool:
    return before == "" or before in DROPS_SPACE or before.isspace()


def spelling(word: str) -> tuple[int, str]:
    """(CAPITAL | UPPER | 0, the word as it is stored)."""
    if word.isascii() and word != "I":  # so frequent that it is a token of its own
        lower = word.lower()
        if word != lower and word == lower.capitalize():
            return CAPITAL, lower
        if word != lower and word == lower.upper():
            return UPPER, lower
    return 0, word


class Decoder:
    """Turns token ids into text one at a time, as a stream needs it."""

    def __init__(self, tokenizer: Tokenizer, before: str = "") -> None:
        self.tokenizer = tokenizer
        self.before = before[-1:]  # the last character written
        self.glued = False
        self.mark = 0  # CAPITAL or UPPER, for the next word
        self.upper = False  # inside a word in capitals
        self.pending = b""  # bytes of a character that is not complete yet

    def feed(self, token: int) -> str:
        """The text that this token adds ("" while a character is incomplete)."""
        if token < FIRST_BYTE and token != WORD:
            self.glued = self.glued or token == GLUE
            self.mark = token if token in (CAPITAL, UPPER) else self.mark
            return ""
        text, self.pending = complete(self.pending + self.tokenizer.bytes[token])
        if self.tokenizer.starts_word[token]:
            text = self._start_word(text)
        elif self.mark == CAPITAL and text[:1].isalpha():
            text, self.mark = text[:1].upper() + text[1:], 0
        elif self.upper and text.isascii() and text.isalpha():
            text = text.upper()
        if text:
            self.before = text[-1]
        return text

    def _start_word(self, text: str) -> str:
        space = "" if self.glued or drops_space(self.before) else " "
        self.glued, self.upper = False, self.mark == UPPER
        if self.mark == CAPITAL and text:
            text, self.mark = text[:1].upper() + text[1:], 0
        elif self.upper:
            text, self.mark = text.upper(), 0
        return space + text

    def flush(self) -> str:
        """What is left of an incomplete character at the end."""
        text, self.pending = self.pending.decode("utf-8", "replace"), b""
        return text


def complete(data: bytes) -> tuple[str, bytes]:
    """(decoded text, bytes of a character that is not complete yet)."""
    for cut in range(min(3, len(data)) + 1):
        head = data[: len(data) - cut]
        try:
            return head.decode("utf-8", "surrogatepass"), data[len(head) :]
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", "replace"), b""


@lru_cache
def load(merges: str = "merges.json") -> Tokenizer:
    """A tokenizer of this package, by the name of its file (`Config.merges`)."""
    text = resources.files(__package__).joinpath(merges).read_text("utf-8")
    return Tokenizer((left, right) for left, right in json.loads(text))
