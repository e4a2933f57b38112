"""A server that really runs, as a process of its own, on a workspace of its own."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import openai

FIRST_KEY, SECOND_KEY = "sk-class-first-0001", "sk-class-second-0002"
FAKE_ENGINE = str(Path(__file__).with_name("serve_with_fake_worker.py"))
_WAIT = 180  # seconds, on a busy machine
# Hyperparameters: of twelve rows the fake worker makes two minutes, unless cancelled.
SLOW = {"n_epochs": 50, "learning_rate_multiplier": 0.2}


class RunningServer:
    """`python -m finetune_kit.localapi`, or the same with a fake worker."""

    started: ClassVar[list["RunningServer"]] = []  # by all tests

    def __init__(self, home, *arguments, fake=False):
        self.home = Path(home)
        program = [FAKE_ENGINE] if fake else ["-m", "finetune_kit.localapi"]
        self.command = [sys.executable, *program, "--home", str(home)]
        self.command += ["--deterministic", *arguments]
        for key in (FIRST_KEY, SECOND_KEY):
            self.command += ["--api-key", key]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            self.command,
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self.started.append(self)
        first_line = self.process.stdout.readline()
        if "listens on" not in first_line:
            raise AssertionError(first_line + self.process.communicate()[0])
        return self

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        self.end()

    def end(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            self.process.communicate(timeout=_WAIT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self):
        """As `kill -9`: the server has no chance to say good-bye."""
        self.process.kill()
        self.process.communicate(timeout=_WAIT)

    @property
    def folder(self):
        return self.home / "server"

    @property
    def info(self):
        return json.loads((self.folder / "server.json").read_text(encoding="utf-8"))

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.info['port']}"

    @property
    def own_key(self):
        return (self.folder / "key").read_text(encoding="utf-8").strip()

    def client(self, key=FIRST_KEY):
        return openai.OpenAI(
            base_url=f"{self.origin}/v1", api_key=key, max_retries=0, timeout=_WAIT
        )

    def finished(self, job_id, key=FIRST_KEY):
        """The job in its terminal state."""
        client = self.client(key)
        return until(
            lambda: client.fine_tuning.jobs.retrieve(job_id),
            lambda job: job.status in ("succeeded", "failed", "cancelled"),
        )

    def events(self, job_id, key=FIRST_KEY):
        """All events, oldest first."""
        return list(self.client(key).fine_tuning.jobs.list_events(job_id, limit=50))[
            ::-1
        ]


def until(look, is_done, seconds=_WAIT):
    """Look again and again until it is done; what was seen last."""
    deadline = time.monotonic() + seconds
    while not is_done(seen := look()):
        assert time.monotonic() < deadline, f"still waiting, last seen: {seen}"
        time.sleep(0.02)
    return seen


def until_running(client, job_id):
    """Wait for a job that takes long: from now on its user's other jobs wait."""
    retrieve = client.fine_tuning.jobs.retrieve
    until(lambda: retrieve(job_id).status, lambda status: status == "running")


def chat_rows(count, answer="Festina lente."):
    """`count` valid training examples."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"What about question {number}?"},
                {"role": "assistant", "content": answer},
            ]
        }
        for number in range(1, count + 1)
    ]


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def advance(server, seconds):
    """Let the server believe that so much time went by."""
    admin = server.client(server.own_key)
    url = f"{server.origin}/_kit/clock"
    return admin.post(url, body={"seconds": seconds}, cast_to=object)


def upload(client, rows=None, *, name="train.jsonl", purpose="fine-tune"):
    """Upload rows (12 valid ones by default), or raw bytes; the file's id."""
    content = rows if isinstance(rows, bytes) else jsonl(rows or chat_rows(12))
    return client.files.create(file=(name, content), purpose=purpose).id


def preference_rows(count, preferred="Festina lente.", other="I do not know."):
    """`count` valid pairs for method dpo."""
    return [
        {
            "input": {
                "messages": [{"role": "user", "content": f"What about {number}?"}]
            },
            "preferred_output": [{"role": "assistant", "content": preferred}],
            "non_preferred_output": [{"role": "assistant", "content": other}],
        }
        for number in range(1, count + 1)
    ]
