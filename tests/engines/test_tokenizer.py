"""The tokenizer round-trips every text, whole and token by token."""

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from finetune_kit.engines.tinygpt.tokenizer import (
    FIRST_BYTE,
    WORD,
    Decoder,
    Tokenizer,
    load,
    units,
)


def learned(text: str, n_merges: int) -> Tokenizer:
    """A tokenizer whose merges join the first pairs of a sample text."""
    merges: list[tuple[int, int]] = []
    for unit in units(text):
        for pair in itertools.pairwise(unit):
            if pair not in merges and len(merges) < n_merges:
                merges.append(pair)
    return Tokenizer(merges)


TOKENIZER = learned('Ana says "hello" (to all), e.g. {"name": "Ana"} 5kg', 40)


@given(st.text())
@example('{"name": "Ana", "city": "Oslo"}')
@example(" leading, two  spaces and\ttabs\n\n- item\n-item - item")
@example("don't e.g. 5kg 10 kg O'Neil ABC aBc ÄÖ ñandú iPhone A I'm USA's x_y")
@example("\ud800 lone surrogate, \u2170 roman, ﬁ ligature, İ dotted, 漢字 कि")
def test_every_text_round_trips(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(st.text())
def test_decoding_token_by_token_gives_the_same_text(text: str) -> None:
    decoder = Decoder(TOKENIZER)
    parts = [decoder.feed(i) for i in TOKENIZER.encode(text)]
    assert "".join(parts) + decoder.flush() == text


@given(st.lists(st.integers(0, TOKENIZER.vocab_size - 1)))
def test_any_tokens_decode_without_an_error(ids: list[int]) -> None:
    assert isinstance(TOKENIZER.decode(ids), str)


def test_a_word_has_the_same_tokens_in_a_sentence_at_the_start_and_in_json() -> None:
    word = (WORD, *(FIRST_BYTE + b for b in b"ana"))
    for text in ("Ana", "I saw Ana today", '{"name": "Ana"}', "(ana)"):
        assert word in list(units(text))


def plainly_merged(tokenizer: Tokenizer, piece: tuple[int, ...]) -> tuple[int, ...]:
    """The definition: merge the pair of the lowest rank, the leftmost of them."""
    ids = list(piece)
    while ranks := [
        (tokenizer.ranks[pair], i)
        for i, pair in enumerate(itertools.pairwise(ids))
        if pair in tokenizer.ranks
    ]:
        rank, i = min(ranks)
        ids[i : i + 2] = [rank]
    return tuple(ids)


@given(st.text("anhelo", max_size=200))
@example("anananan" * 20)
def test_merges_are_applied_in_the_order_of_their_ranks(text: str) -> None:
    for tokenizer in (TOKENIZER, load()):
        for unit in units(text):
            assert tokenizer._merge(unit) == plainly_merged(tokenizer, unit)
