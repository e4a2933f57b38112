"""A stand-in for the answer process: the same lines of JSON, words of its own.

It repeats the last message word by word, so that a test knows what must come. Words
in the last message steer it: `die` ends the process in the middle, `slow` makes a
long answer with a pause at each token, `fail` answers with an error of its own.
"""

import asyncio
import json
import os
import sys
import time

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


async def answer(id, messages, sampling):
    text = messages[-1]["content"]
    prompt_tokens = sum(len(m["content"].split()) + 3 for m in messages)
    if error := refusal(messages, prompt_tokens):
        say(id=id, event="error", **error)
        return
    slow = "slow" in text
    words = ["drip"] * 300 if slow else text.split()
    limit = sampling["max_tokens"] or len(words)
    made = 0
    for word in words[:limit]:
        if word == "die":
            os._exit(3)  # at once: the thread that reads would hold it up
        if word in sampling["stop"]:
            break
        spelled = word if made == 0 else " " + word
        say(id=id, event="token", **token(spelled, sampling["top_logprobs"]))
        made += 1
        await asyncio.sleep(1 / WORDS_PER_SECOND if slow else 0)
    reason = "length" if made == limit < len(words) else "stop"
    say(
        id=id,
        event="end",
        finish_reason=reason,
        prompt_tokens=prompt_tokens,
        completion_tokens=made,
    )


async def serve():
    loop = asyncio.get_running_loop()
    tasks = {}
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        if asked["op"] == "cancel":
            if task := tasks.pop(asked["id"], None):
                task.cancel()
            continue
        tasks[asked["id"]] = asyncio.create_task(
            answer(asked["id"], asked["messages"], asked["sampling"])
        )


def main():
    if "--broken" in sys.argv:
        sys.exit("no weights here")
    if "--late" in sys.argv:
        time.sleep(0.3)
    say(event="ready", context=CONTEXT, vocab_size=100, weights_sha256="0a1b2c3d" * 8)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
