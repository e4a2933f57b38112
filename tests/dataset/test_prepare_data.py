"""What `prepare_data` finds and does: endings, chats, files, and what it never does."""

import json

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_kit.dataset import check
from finetune_kit.dataset.affixes import ending, instruction, separator
from finetune_kit.dataset.prepare_data import prepare_data
from finetune_kit.dataset.remedies import CannotPrepare
from tests.learner import PROVERBS

WORDS = ["river", "stone", "cloud", "lamp", "paper", "wolf"]
WORDS += ["bread", "glass", "winter", "bell", "moss", "tide"]


def pairs(prompt="ask {}", completion="say {}", words=WORDS):
    return [
        {"prompt": prompt.format(word), "completion": completion.format(word)}
        for word in words
    ]


def chats(question="{}", answer="{}!", words=WORDS, system=None):
    first = [{"role": "system", "content": system}] if system else []
    return [
        {
            "messages": [
                *first,
                {"role": "user", "content": question.format(word)},
                {"role": "assistant", "content": answer.format(word)},
            ]
        }
        for word in words
    ]


def contents(rows, role):
    return [m["content"] for row in rows for m in row["messages"] if m["role"] == role]


@pytest.mark.parametrize(
    ("texts", "sign"),
    [
        (["a ->", "b ->"], " ->"),
        (["a? ->", "b? ->"], " ->"),
        (["a\n\n###\n\n", "b\n\n###\n\n"], "\n\n###\n\n"),
        (["a\nCategory:", "b\nCategory:"], "\nCategory:"),
        (["one product", "two product"], ""),
        (["Why?", "How?"], ""),
        (['{"a": 1}', '{"b": 1}'], ""),
        (["station", "nation"], ""),
        (["a", ""], ""),
    ],
)
def test_a_separator_is_a_sign_and_not_text(texts, sign):
    assert separator(texts) == sign


@pytest.mark.parametrize(
    ("texts", "sign"),
    [
        ([" positive", " negative"], ""),
        ([" a END", " b END"], " END"),
        ([" a [END]", " b [END]"], " [END]"),
        ([" a.", " b."], "."),
        ([" a. b.", " c."], ""),
        ([" a.\n", " b.\n"], "\n"),
        ([" x\ny\n", " z\n"], ""),
        (['{"a": 1}', '{"b": 2}'], ""),
        ([" yes please", " no please"], ""),
        ([" a###", " b###"], "###"),
    ],
)
def test_an_ending_is_a_sign_that_stands_nowhere_else(texts, sign):
    assert ending(texts) == sign


@pytest.mark.parametrize(
    ("texts", "prefix"),
    [
        (["Sum up:\na", "Sum up:\nb"], "Sum up:\n"),
        (["Label: a", "Label: b"], "Label: "),
        (["Answer about item 1", "Answer about item 2"], ""),
        (["Label: a", "Label: "], ""),
    ],
)
def test_an_instruction_stands_apart_from_what_follows(texts, prefix):
    assert instruction(texts) == prefix


def test_good_chats_need_nothing():
    found = prepare_data(PROVERBS / "train.jsonl")
    assert (found.format, found.needed, found.advised) == ("chat", [], [])
    assert not found.apply().changed


def test_what_completions_needed_is_taken_out_of_chats():
    rows = chats("{}\n\n###\n\n", " Answer: {} END")
    prepared = prepare_data(rows).apply()
    assert contents(prepared.rows, "user") == WORDS
    assert contents(prepared.rows, "assistant") == WORDS


def test_an_instruction_in_every_question_moves_into_a_system_message():
    found = prepare_data(chats("Translate into Latin: {}"))
    assert any("into a system message" in advised for advised in found.advised)
    rows = found.apply().rows
    assert contents(rows, "system") == ["Translate into Latin:"] * 12
    assert contents(rows, "user") == WORDS


def test_an_instruction_stays_where_there_is_a_system_message_already():
    found = prepare_data(chats("Translate into Latin: {}", system="Be brief."))
    assert found.advised == []


def test_empty_replies_further_keys_and_duplicates_of_chats_are_removed():
    rows = [*chats(), *chats("mute {}", "", WORDS[:2]), chats()[0]]
    rows[3]["id"] = 7
    found = prepare_data(rows)
    assert found.needed == [
        "Remove additional columns/keys: ['id']",
        "Remove 2 rows with empty replies",
    ]
    assert found.advised == ["Remove 1 duplicate rows"]
    assert found.apply().rows == chats()


def test_a_reply_that_calls_a_tool_is_not_empty():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    row = {
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
        ]
    }
    assert prepare_data([row, *chats()]).needed == []


def test_long_chats_are_measured_in_the_tokens_of_the_model():
    rows = [*chats(), *chats("{}", "one " * 5000, ["long"])]
    assert prepare_data(rows).advised == []
    found = prepare_data(rows, model="gpt-3.5-turbo-0613")
    assert found.advised == ["Remove 1 long examples"]
    assert found.apply().rows == chats()


def test_chats_with_a_few_replies_are_split_as_a_classification():
    rows = [
        row
        for place in range(10)
        for row in chats(f"{{}} {place}", "yes" if place % 2 else "no")
    ]
    prepared = prepare_data(rows).apply()
    assert prepared.task == "classification"
    train, valid = prepared.split()
    assert (len(train), len(valid)) == (96, 24)
    assert not [row for row in valid if row in train]


def test_pairs_become_chats_and_chats_become_pairs():
    chat = prepare_data(pairs("{} ->", " {} END"), to="chat").apply()
    assert contents(chat.rows, "user") == WORDS
    assert contents(chat.rows, "assistant") == WORDS
    back = prepare_data(chat.rows, to="completion").apply()
    assert back.format == "completion"
    assert back.separator
    assert back.stop


def test_only_what_is_accepted_is_done():
    found = prepare_data(pairs("the {}", "a {}"))
    prepared = found.apply(lambda advised: "separator" in advised)
    assert prepared.rows == pairs("the {} ->", "a {}")
    assert not found.apply(lambda advised: False).changed


def test_lines_of_the_file_are_named_whatever_was_removed_before(tmp_path):
    file = tmp_path / "rows.jsonl"
    rows = [{"prompt": "x", "completion": ""}, *pairs(), *pairs(words=WORDS[:1])]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    said = " ".join(remedy.said for remedy in prepare_data(file).remedies)
    assert "lines: 1" in said
    assert "lines: 14" in said


def test_the_original_stays_and_no_file_is_overwritten(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, pairs())), encoding="utf-8")
    before = file.read_bytes()
    prepared = prepare_data(file).apply()
    first, second = prepared.write(), prepared.write()
    assert [path.name for path in (*first, *second)] == [
        "rows_prepared.jsonl",
        "rows_prepared (1).jsonl",
    ]
    parts = prepared.write(tmp_path / "mine.jsonl", split=True)
    assert [path.name for path in parts] == ["mine_train.jsonl", "mine_valid.jsonl"]
    assert file.read_bytes() == before


def test_rows_in_memory_need_a_name_to_be_written():
    with pytest.raises(ValueError, match="name the output"):
        prepare_data(pairs()).apply().write()


def test_a_data_frame_with_gaps_is_prepared():
    frame = pandas.DataFrame(
        {"prompt": WORDS, "completion": [None, 2.5, *WORDS[2:]]}, dtype=object
    )
    found = prepare_data(frame)
    assert "Remove 1 rows with empty completions" in found.needed
    assert found.rows[0] == {"prompt": "stone", "completion": "2.5"}


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "no row"),
        ([{"prompt": "a"}], "`completion` column/key is missing"),
        ([{"prompt": "a", "completion": ""}], "no row with a completion is left"),
        (pairs("same"), "all prompts are identical"),
        (pairs(completion="same"), "all completions are identical"),
        ([{"preferred_output": [], "input": {}}], "preference pairs"),
    ],
)
def test_what_cannot_be_mended_is_refused_with_the_reason(rows, why):
    with pytest.raises(CannotPrepare, match=why):
        prepare_data(rows)


def test_a_line_that_cannot_be_read_is_named(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": \n', "utf-8")
    with pytest.raises(CannotPrepare, match="line 2 cannot be read"):
        prepare_data(file)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=10, max_size=40))
def test_prepared_rows_pass_the_check_and_keep_their_words(rows):
    given_rows = [{"prompt": prompt, "completion": text} for prompt, text in rows]
    try:
        prepared = prepare_data(given_rows).apply()
    except CannotPrepare:
        return
    errors = {found.code for found in prepared.check().errors}
    given = {found.code for found in check(given_rows).errors}
    assert errors <= {"too_few_examples"} | (given & {"special_token"})
    kept = {text.strip().lower() for _, text in rows}
    for row in prepared.rows:
        assert row["completion"].startswith(" ")
        words = row["completion"].removesuffix(prepared.stop).strip().lower()
        assert any(words in text or text in words for text in kept)
    again = prepare_data(prepared.rows)
    assert not [a for a in again.advised if "separator" in a or "whitespace" in a]


def test_a_prepared_file_passes_the_check(tmp_path):
    file = tmp_path / "rows.csv"
    text = "".join(f'"What is {word}?","{word}, a thing",7\n' for word in WORDS)
    file.write_text(f"Prompt,COMPLETION,id\n{text}", encoding="utf-8")
    (written,) = prepare_data(file).apply().write()
    assert check(written).ok


@pytest.mark.parametrize(
    "answer",
    [
        '{{"team": "{}", "urgency": "low"}}',
        '["{}", "b"]',
        "https://docs.org/{}",
        "(aside: {})",
    ],
)
def test_json_and_addresses_are_no_instructions(answer):
    rows = chats(answer=answer)
    assert contents(prepare_data(rows).apply().rows, "assistant") == contents(
        rows, "assistant"
    )


def test_a_refusal_is_no_empty_reply():
    rows = chats()
    rows[0]["messages"][-1] |= {"content": None, "refusal": "I will not."}
    assert len(prepare_data(rows).apply().rows) == len(rows)
