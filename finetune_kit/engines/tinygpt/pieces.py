"""What a client sees of the tokens of an answer."""

from collections.abc import Iterator
from copy import copy
from typing import TYPE_CHECKING, Any

from finetune_kit.engines.tinygpt.tokenizer import END, MARKS, SPECIALS, Decoder

if TYPE_CHECKING:
    from finetune_kit.engines.tinygpt.sample import Step

Line = dict[str, Any]  # of the answer process's protocol


def with_marks(top: int) -> int:
    """So many alternatives are looked at for `top` of them: marks are not shown."""
    return top + len(MARKS) if top else 0


class Pieces:
    """Tokens as a client sees them: pieces of the text that join to the whole.

    A token that says nothing by itself, such as the mark for a capital or a part of a
    character, is joined with what follows: the piece's probability is that of its
    tokens together. Its alternatives, at most `top`, are those of its last token,
    behind the same tokens; marks are none.
    """

    def __init__(self, decoder: Decoder, top: int) -> None:
        self.decoder, self.top = decoder, top
        self.logprob = 0.0  # of the tokens that wait for the one that speaks

    def feed(self, step: "Step") -> Iterator[Line]:
        others = [
            self._alternative(token, self.logprob + logprob)
            for token, logprob in step.top
        ]
        self.logprob += step.logprob
        if text := _plain(self.decoder.feed(step.token)):
            top = [other for other in others if other][: self.top]
            yield self._line(text, top)

    def flush(self) -> Iterator[Line]:
        """What is left of an incomplete character."""
        if text := self.decoder.flush():
            yield self._line(text, [])

    def _alternative(self, token: int, logprob: float) -> Line | None:
        """None for one that says nothing by itself; the end has no bytes."""
        if token == END:
            return {"token": SPECIALS[END], "bytes": None, "logprob": logprob}
        text = _plain(copy(self.decoder).feed(token))
        return _spelled(text) | {"logprob": logprob} if text else None

    def _line(self, text: str, top: list[Line]) -> Line:
        joint, self.logprob = self.logprob, 0.0
        shown = {"event": "token", "text": text, **_spelled(text)}
        return shown | {"logprob": joint, "top": top}


def cut(piece: Line, length: int) -> Line:
    """The piece, or what of it stands in the first `length` characters."""
    text = piece["text"][:length]
    return piece if text == piece["text"] else piece | {"text": text, **_spelled(text)}


def _spelled(text: str) -> Line:
    return {"token": text, "bytes": list(text.encode())}


def _plain(text: str) -> str:
    """The text without halves of surrogate pairs, which cannot be sent."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
