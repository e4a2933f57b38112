"""Rules of reinforcement lines (RFT): messages to answer, and fields for the grader.

Source: OpenAI's guide on reinforcement fine-tuning (2025).
"""

from __future__ import annotations

from collections.abc import Iterator

# Imported for the rules that they add to the chat rules.
from . import content_rules as content_rules
from . import order_rules as order_rules
from . import tool_rules as tool_rules
from .chat_rules import CHAT_RULES
from .rules import Example, Hit, Rule, rule

#: Of the chat rules, those about answers and keys do not hold here, and the models
#: that are trained so know the role `developer`.
_ELSEWHERE = {
    "extra_key",
    "no_assistant_message",
    "last_not_assistant",
    "nothing_to_learn",
    "developer_role",
}
REINFORCEMENT_RULES: list[Rule[Example]] = [
    one for one in CHAT_RULES if one.code not in _ELSEWHERE
]


@rule(
    REINFORCEMENT_RULES,
    "warning",
    why="The model writes the answer itself and a grader scores it; an answer in the "
    "messages would be read as already given.",
    fix="End with the user's message; put the wanted answer into a field of its own, "
    "which the grader reads as {{item.…}}.",
)
def answer_given(example: Example) -> Iterator[Hit]:
    if example.messages and example.messages[-1][1].get("role") == "assistant":
        yield Hit(
            "the messages end with an answer",
            message=example.messages[-1][0],
            field="role",
        )
