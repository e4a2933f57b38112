"""A stand-in for the answer process: the same lines of JSON, words of its own.

It repeats the last message word by word, so that a test knows what must come; calls in
it the real engine's code finds. Words in the last message steer it: `die` ends the
process in the middle, `slow` makes a long answer with a pause at each token, `fail`
answers with an error of its own.
"""

import asyncio
import json
import os
import re
import sys
import time

from finetune_kit.engines.tinygpt.calls import Caller

CONTEXT = 64
WORDS_PER_SECOND = 100


def say(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def token(word, top):
    spelled = {"token": word, "bytes": list(word.encode()), "logprob": -0.5}
    other = {"token": " other", "bytes": list(b" other"), "logprob": -2.0}
    return {"text": word, **spelled, "top": [spelled, other][: max(top, 1)]}


def refusal(messages, prompt_tokens):
    if "fail" in messages[-1]["content"]:
        return {"code": "weights_missing", "message": "The weights are gone."}
    if prompt_tokens >= CONTEXT:
        return {
            "code": "context_length_exceeded",
            "message": "too long",
            "context": CONTEXT,
            "needed": prompt_tokens,
        }
    return None


async def answer(id, asked):
    choice = asked.get("tool_choice", {"mode": "none"})
    names = choice["names"] if choice["mode"] != "none" else ()
    caller = Caller(names, parallel=asked.get("parallel_tool_calls"))
    slow = "slow" in asked["messages"][-1]["content"]
    for line in caller.lines(said(asked["messages"], asked["sampling"], slow)):
        say(id=id, **line)
        await asyncio.sleep(1 / WORDS_PER_SECOND if slow else 0)


def said(messages, sampling, slow):
    prompt_tokens = sum(len(m["content"].split()) + 3 for m in messages)
    if error := refusal(messages, prompt_tokens):
        yield {"event": "error", **error}
        return
    text = "drip" + " drip" * 999 if slow else messages[-1]["content"]
    words = re.findall(r"\s*\S+", text)
    limit = sampling["max_tokens"] or len(words)
    made = 0
    for word in words[:limit]:
        if word.strip() == "die":
            os._exit(3)  # at once: the thread that reads would hold it up
        if word.strip() in sampling["stop"]:
            break
        yield {"event": "token", **token(word, sampling["top_logprobs"])}
        made += 1
    reason = "length" if made == limit < len(words) else "stop"
    counts = {"prompt_tokens": prompt_tokens, "completion_tokens": made}
    yield {"event": "end", "finish_reason": reason, **counts}


async def serve():
    loop = asyncio.get_running_loop()
    tasks = {}
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        if asked["op"] == "cancel":
            if task := tasks.pop(asked["id"], None):
                task.cancel()
            continue
        tasks[asked["id"]] = asyncio.create_task(answer(asked["id"], asked))


def main():
    if "--broken" in sys.argv:
        sys.exit("no weights here")
    if "--late" in sys.argv:
        time.sleep(0.3)
    say(event="ready", context=CONTEXT, vocab_size=100, weights_sha256="0a1b2c3d" * 8)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
