"""How each of the SDK's methods is called here: a valid call, and one value for every
further parameter.

A `Scene` is what a call needs to exist beforehand.
"""

import hashlib
from contextlib import suppress
from functools import cached_property

import openai

from tests.localapi.receiver import Receiver
from tests.localapi.running import SECOND_KEY, SLOW, chat_rows, jsonl, until, upload

KEY = SECOND_KEY  # this suite's user

MADE_UP = "missing-0123456789abcdefghij"
MESSAGES = [{"role": "user", "content": "Say something as json."}]
_FEW = {"max_tokens": 4}  # tokens: what is said does not matter here
_RESPONSE = {"model": "tinygpt", "input": "Hello json", "max_output_tokens": 16}
_CANCELLED = "fine_tuning.job.cancelled"
GRADER = {
    "type": "string_check",
    "name": "same",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "yes",
}


class Scene:
    """Things of one user on a running server, made when they are asked for."""

    def __init__(self, server, client):
        self.server = server
        self.client = client
        self._done = None
        self._stored = None
        self._response = None

    @cached_property
    def receiver(self):
        """Takes the webhooks."""
        return Receiver()

    def close(self):
        if "receiver" in vars(self):
            self.receiver.close()

    def file(self):
        return upload(self.client)

    def job(self, status="succeeded", **parameters):
        """A job in that state; a succeeded one is made once."""
        if status == "succeeded" and self._done:
            return self._done
        given = {"n_epochs": 3} if status == "succeeded" else SLOW
        job = self.client.fine_tuning.jobs.create(
            model="tinygpt", training_file=self.file(), hyperparameters=given
        )
        if status != "validating_files":
            seen = self._reaches(job.id, "running" if status == "paused" else status)
            assert seen == ("running" if status == "paused" else status)
        if status == "paused":
            self.client.fine_tuning.jobs.pause(job.id)
            self._reaches(job.id, "paused")
        if status == "succeeded":
            self._done = job.id
        return job.id

    def tuned(self):
        """A tuned model."""
        return self.client.fine_tuning.jobs.retrieve(self.job()).fine_tuned_model

    def model(self):
        """A tuned model of its own, which may be deleted."""
        before, self._done = self._done, None
        name = self.tuned()
        self._done = before
        return name

    def permission(self):
        """A permission for the tuned model."""
        given = {"fine_tuned_model_checkpoint": self.tuned(), "project_ids": ["p"]}
        return self.client.fine_tuning.checkpoints.permissions.create(**given).data[0]

    def upload(self, *, filled=False):
        """An upload that waits for its parts, and with `filled` their ids too."""
        content = jsonl(chat_rows(12))
        id = self.client.uploads.create(
            filename="train.jsonl",
            purpose="fine-tune",
            bytes=len(content),
            mime_type="text/jsonl",
        ).id
        if not filled:
            return {"upload_id": id}
        part = self.client.uploads.parts.create(upload_id=id, data=content)
        return {"upload_id": id, "part_ids": [part.id]}

    def endpoint(self):
        """A webhook endpoint."""
        return self.client.webhooks.create(**CALLS["webhooks.create"](self)).id

    def stored(self):
        """A stored chat completion."""
        self._stored = self.client.chat.completions.create(
            model="tinygpt", messages=MESSAGES, store=True, **_FEW
        ).id
        return self._stored

    def stored_message(self):
        """The message of the latest stored chat."""
        return f"{self._stored}-0"

    def response(self):
        """A response that is kept."""
        self._response = self.client.responses.create(**_RESPONSE).id
        return self._response

    def response_item(self):
        """The only item of what the latest response was asked."""
        (item,) = self.client.responses.input_items.list(self._response).data
        return item.id

    def delivered(self):
        """What the server sent at the end of a job."""
        endpoint = self.client.webhooks.create(
            name="end", url=self.receiver.url, event_types=[_CANCELLED]
        )
        job = self.job("validating_files")
        self.client.fine_tuning.jobs.cancel(job)

        def of_the_job():
            return [d for d in self.receiver.received if job.encode() in d[1]]

        headers, body = until(of_the_job, bool)[0]
        self.client.webhooks.delete(endpoint.id)
        return {"payload": body, "headers": headers, "secret": endpoint.signing_secret}

    def end_jobs(self):
        """Leave no job at work: it would hold up the next one."""
        for job in self.client.fine_tuning.jobs.list():
            if job.status not in ("succeeded", "failed", "cancelled"):
                with suppress(openai.BadRequestError):  # it has just ended by itself
                    self.client.fine_tuning.jobs.cancel(job.id)

    def _reaches(self, job_id, status):
        final = (status, "succeeded", "failed", "cancelled")
        retrieve = self.client.fine_tuning.jobs.retrieve
        return until(lambda: retrieve(job_id).status, lambda seen: seen in final)


def _job_to_create(scene):
    return {"model": "tinygpt", "training_file": scene.file()}


def _a_chat(scene):
    return {"model": "tinygpt", "messages": MESSAGES, **_FEW}


def _a_finished_chat(scene):
    """One that soon ends by itself, as the SDK's parsers demand."""
    vowels = ["a", "e", "i", "o"]
    return _a_chat(scene) | {"max_tokens": 60, "stop": vowels}


def _of_job(status="succeeded"):
    return lambda scene: {"fine_tuning_job_id": scene.job(status)}


def _of_checkpoint(**more):
    return lambda scene: {"fine_tuned_model_checkpoint": scene.tuned(), **more}


def _of_stored(**more):
    return lambda scene: {"completion_id": scene.stored(), **more}


def _a_response(scene):
    return dict(_RESPONSE)


def _of_response(scene):
    return {"response_id": scene.response()}


def _of_endpoint(**more):
    return lambda scene: {"webhook_endpoint_id": scene.endpoint(), **more}


def _of_file(scene):
    return {"file_id": scene.file()}


_NEW_FILE = ("train.jsonl", jsonl(chat_rows(12)))
_JOB_EVENTS = ["fine_tuning.job.succeeded"]

# A valid call of each method; the scene is asked anew for each call.
CALLS = {
    "files.content": _of_file,
    "files.create": lambda scene: {"file": _NEW_FILE, "purpose": "fine-tune"},
    "files.delete": _of_file,
    "files.list": lambda scene: {},
    "files.retrieve": _of_file,
    "files.retrieve_content": _of_file,
    "files.wait_for_processing": lambda scene: {"id": scene.file()},
    "uploads.cancel": Scene.upload,
    "uploads.complete": lambda scene: scene.upload(filled=True),
    "uploads.create": lambda scene: {
        "bytes": 10,
        "filename": "a.jsonl",
        "mime_type": "text/jsonl",
        "purpose": "fine-tune",
    },
    "uploads.parts.create": lambda scene: scene.upload() | {"data": b"{}"},
    "uploads.upload_file_chunked": lambda scene: {
        "file": _NEW_FILE[1],
        "filename": "a.jsonl",
        "bytes": len(_NEW_FILE[1]),
        "mime_type": "text/jsonl",
        "purpose": "fine-tune",
    },
    "fine_tuning.alpha.graders.run": lambda scene: {
        "grader": GRADER,
        "model_sample": "yes",
    },
    "fine_tuning.alpha.graders.validate": lambda scene: {"grader": GRADER},
    "fine_tuning.checkpoints.permissions.create": _of_checkpoint(project_ids=["p"]),
    "fine_tuning.checkpoints.permissions.delete": lambda scene: {
        "fine_tuned_model_checkpoint": scene.tuned(),
        "permission_id": scene.permission().id,
    },
    "fine_tuning.checkpoints.permissions.list": _of_checkpoint(),
    "fine_tuning.checkpoints.permissions.retrieve": _of_checkpoint(),
    "fine_tuning.jobs.cancel": _of_job("validating_files"),
    "fine_tuning.jobs.checkpoints.list": _of_job(),
    "fine_tuning.jobs.create": _job_to_create,
    "fine_tuning.jobs.list": lambda scene: {},
    "fine_tuning.jobs.list_events": _of_job(),
    "fine_tuning.jobs.pause": _of_job("running"),
    "fine_tuning.jobs.resume": _of_job("paused"),
    "fine_tuning.jobs.retrieve": _of_job(),
    "models.delete": lambda scene: {"model": scene.model()},
    "models.list": lambda scene: {},
    "models.retrieve": lambda scene: {"model": "gpt-4o-mini"},
    "chat.completions.create": _a_chat,
    "chat.completions.delete": _of_stored(),
    "chat.completions.list": lambda scene: {},
    "chat.completions.messages.list": _of_stored(),
    "chat.completions.parse": _a_finished_chat,
    "chat.completions.retrieve": _of_stored(),
    "chat.completions.stream": _a_finished_chat,
    "chat.completions.update": _of_stored(metadata={"a": "b"}),
    "completions.create": lambda scene: {"model": "tinygpt", "prompt": "Hello", **_FEW},
    "responses.cancel": _of_response,
    "responses.compact": lambda scene: {"model": "tinygpt", "input": "Hello"},
    "responses.create": _a_response,
    "responses.delete": _of_response,
    "responses.input_items.list": _of_response,
    "responses.input_tokens.count": lambda scene: {"model": "tinygpt", "input": "Hi"},
    "responses.parse": _a_response,
    "responses.retrieve": _of_response,
    "responses.stream": _a_response,
    "moderations.create": lambda scene: {"input": "Shut up!"},
    "webhooks.create": lambda scene: {
        "event_types": _JOB_EVENTS,
        "name": "mine",
        "url": scene.receiver.url,
    },
    "webhooks.delete": _of_endpoint(),
    "webhooks.event_types.list": lambda scene: {},
    "webhooks.list": lambda scene: {},
    "webhooks.retrieve": _of_endpoint(),
    "webhooks.rotate_secret": _of_endpoint(),
    "webhooks.test": _of_endpoint(event_type=_JOB_EVENTS[0]),
    "webhooks.unwrap": Scene.delivered,
    "webhooks.update": _of_endpoint(name="yours"),
    "webhooks.verify_signature": Scene.delivered,
}

_TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
_SAMPLING = {
    "frequency_penalty": 0.5,
    "logit_bias": {"5": -100},
    "n": 2,
    "presence_penalty": 0.5,
    "seed": 1,
    "stop": ["."],
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.5,
    "top_p": 0.5,
    "user": "me",
}
_CHAT = _SAMPLING | {
    "audio": {"voice": "alloy", "format": "wav"},
    "function_call": "none",
    "functions": [{"name": "f"}],
    "logprobs": True,
    "max_completion_tokens": 4,
    "max_tokens": 4,
    "metadata": {"a": "b"},
    "modalities": ["text"],
    "moderation": {"model": "omni-moderation-latest"},
    "parallel_tool_calls": True,
    "prediction": {"type": "content", "content": "x"},
    "prompt_cache_key": "x",
    "prompt_cache_options": {"mode": "implicit"},
    "prompt_cache_retention": "24h",
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
    "safety_identifier": "me",
    "service_tier": "auto",
    "store": True,
    "tool_choice": "auto",
    "tools": [_TOOL],
    "top_logprobs": 2,
    "verbosity": "low",
    "web_search_options": {},
}
_FUNCTION = {"type": "function", "name": "f", "parameters": {}, "strict": False}
_RESPOND = {
    "access_programs": {"cyber": "standard"},
    "background": True,
    "background_options": {"completion_window": "soonest"},
    "context_management": [{"type": "compaction"}],
    "conversation": "conv_1",
    "image": {"context_compression": "enabled"},
    "include": ["message.output_text.logprobs"],
    "instructions": "Be brief.",
    "max_tool_calls": 1,
    "metadata": {"a": "b"},
    "moderation": {"model": "omni-moderation-latest"},
    "parallel_tool_calls": True,
    "previous_response_id": Scene.response,
    "prompt": {"id": "pmpt_1"},
    "prompt_cache_key": "x",
    "prompt_cache_options": {"mode": "implicit"},
    "prompt_cache_retention": "24h",
    "reasoning": {"effort": "low"},
    "safety_identifier": "me",
    "service_tier": "auto",
    "store": False,
    "stream": True,
    "stream_options": {"include_obfuscation": False},
    "temperature": 0.5,
    "text": {"format": {"type": "json_object"}},
    "tool_choice": "auto",
    "tool_choice=required": "required",
    "tools": [_FUNCTION],
    "tools=hosted": [{"type": "web_search"}],
    "top_logprobs": 2,
    "top_p": 0.5,
    "truncation": "auto",
    "user": "me",
}
_COUNTED = (
    "conversation",
    "instructions",
    "parallel_tool_calls",
    "previous_response_id",
    "reasoning",
    "text",
    "tool_choice",
    "tools",
    "truncation",
)
_EXPIRES = {"anchor": "created_at", "seconds": 3600}


def _last_of(listing):
    """The id of the last item of a list: a cursor."""
    return lambda scene: listing(scene)[-1].id


_LAST_FILE = _last_of(lambda scene: [scene.client.files.retrieve(scene.file())])
_LAST_JOB = _last_of(
    lambda scene: [scene.client.fine_tuning.jobs.retrieve(scene.job())]
)
_LAST_EVENT = _last_of(
    lambda scene: scene.client.fine_tuning.jobs.list_events(scene.job()).data
)
_LAST_CHECKPOINT = _last_of(
    lambda scene: scene.client.fine_tuning.jobs.checkpoints.list(scene.job()).data
)
_PURPOSES = ("assistants", "batch", "vision", "user_data", "evals")
_PERMISSIONS = {
    "after": lambda scene: scene.permission().id,
    "limit": 1,
    "order": "ascending",
    "project_id": "p",
}

# One value for each further parameter of a method, or several under names such as
# "method=dpo"; what is callable asks the scene.
OPTIONS = {
    "files.create": {"expires_after": _EXPIRES}
    | {f"purpose={name}": name for name in _PURPOSES},
    "files.list": {
        "after": _LAST_FILE,
        "limit": 1,
        "order": "asc",
        "purpose": "fine-tune",
    },
    "files.wait_for_processing": {"poll_interval": 0.1, "max_wait_seconds": 5},
    "uploads.create": {"expires_after": _EXPIRES}
    | {f"purpose={name}": name for name in _PURPOSES[:3]},
    "uploads.complete": {"md5": hashlib.md5(_NEW_FILE[1]).hexdigest()},
    "uploads.upload_file_chunked": {
        "md5": hashlib.md5(_NEW_FILE[1]).hexdigest(),
        "part_size": 512,
    },
    "fine_tuning.alpha.graders.run": {"item": {}},
    "fine_tuning.checkpoints.permissions.list": _PERMISSIONS,
    "fine_tuning.checkpoints.permissions.retrieve": _PERMISSIONS,
    "fine_tuning.jobs.create": {
        "hyperparameters": {"n_epochs": 1},
        "integrations": [{"type": "wandb", "wandb": {"project": "p"}}],
        "metadata": {"a": "b"},
        "method": {
            "type": "supervised",
            "supervised": {"hyperparameters": {"n_epochs": 1}},
        },
        "method=dpo": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}},
        "method=reinforcement": {
            "type": "reinforcement",
            "reinforcement": {"grader": GRADER},
        },
        "seed": 1,
        "suffix": "mine",
        "validation_file": Scene.file,
    },
    "fine_tuning.jobs.list": {
        "after": _LAST_JOB,
        "limit": 1,
        "metadata": {"a": "b"},
    },
    "fine_tuning.jobs.list_events": {"after": _LAST_EVENT, "limit": 1},
    "fine_tuning.jobs.checkpoints.list": {"after": _LAST_CHECKPOINT, "limit": 1},
    "chat.completions.create": _CHAT,
    "chat.completions.list": {
        "after": Scene.stored,
        "limit": 1,
        "metadata": {"a": "b"},
        "model": "tinygpt",
        "order": "desc",
    },
    "chat.completions.messages.list": {
        "after": Scene.stored_message,
        "limit": 1,
        "order": "desc",
    },
    "completions.create": _SAMPLING
    | {"best_of": 2, "echo": True, "logprobs": 2, "suffix": "end", "max_tokens": 4},
    "responses.compact": dict.fromkeys(
        (
            "image",
            "instructions",
            "previous_response_id",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "service_tier",
        )
    ),
    "responses.create": _RESPOND,
    "responses.input_items.list": {
        "after": Scene.response_item,
        "include": ["message.output_text.logprobs"],
        "limit": 1,
        "order": "asc",
    },
    "responses.input_tokens.count": {name: _RESPOND[name] for name in _COUNTED}
    | {"personality": "friendly", "text": {"verbosity": "low"}},
    "responses.retrieve": {
        "include": ["message.output_text.logprobs"],
        "include_obfuscation": False,
        "starting_after": 1,
        "stream": True,
    },
    "moderations.create": {"model": "omni-moderation-latest"},
    "webhooks.list": {"after": Scene.endpoint, "limit": 1},
    "webhooks.rotate_secret": {"keep_old_secret_active_for_24_hours": True},
    "webhooks.update": {"event_types": _JOB_EVENTS, "url": "http://127.0.0.1:9/other"},
    "webhooks.verify_signature": {"tolerance": 300},
}
# Another form of the same call, with the same parameters.
SAME_AS = {
    "chat.completions.parse": "chat.completions.create",
    "chat.completions.stream": "chat.completions.create",
    "responses.parse": "responses.create",
    "responses.stream": "responses.create",
}
# What a value needs beside it in a chat.
TOGETHER = {
    "audio": {"modalities": ["text", "audio"]},
    "function_call": {"functions": [{"name": "f"}]},
    "max_completion_tokens": {"max_tokens": openai.omit},
    "metadata": {"store": True},
    "parallel_tool_calls": {"tools": [_TOOL]},
    "stream_options": {"stream": True},
    "tool_choice": {"tools": [_TOOL]},
    "top_logprobs": {"logprobs": True},
}
