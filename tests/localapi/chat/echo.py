"""A server whose answers are known, and how to speak to it.

The answer process is a double that repeats the last message word by word
(`fake_answers.py`); the routes, the front door and the SDK are the real ones.
"""

import asyncio
import json
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import openai
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from finetune_kit.localapi import chat, models, responses
from finetune_kit.localapi.answers import Answers
from finetune_kit.localapi.clock import Clock
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.faults import Faults
from finetune_kit.localapi.front import Front
from finetune_kit.localapi.ids import DeterministicIds
from finetune_kit.localapi.keys import Keys
from finetune_kit.localapi.limits import Limits
from finetune_kit.localapi.presence import Presence
from finetune_kit.localapi.store import Store

FAKE = str(Path(__file__).with_name("fake_answers.py"))
KEY = "sk-local-test"
USER = [{"role": "user", "content": "carpe diem amice"}]


class Server:
    """The routes that answer, in a thread, with an answer process of its own."""

    def __init__(self, *options):
        self.answers = Answers([sys.executable, FAKE, *options])
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(Path(self.folder.name) / "localapi.sqlite3")
        kit = SimpleNamespace(
            settings=SimpleNamespace(host="127.0.0.1", allowed_hosts=()),
            answers=self.answers,
            keys=Keys(KEY, []),
            clock=Clock(),
            ids=DeterministicIds(0),
            home=SimpleNamespace(key=Path("key"), models=Path("models")),
            store=self.store,
            faults=Faults(),
            limits=Limits(),
            presence=Presence(),
            package_version="0",
        )
        app = Starlette(
            routes=[*models.routes, *chat.routes, *responses.routes],
            middleware=[Middleware(Front, kit=kit)],
            exception_handlers={ApiError: lambda _, error: error.response()},
        )
        app.state.kit = kit
        self.uvicorn = uvicorn.Server(
            uvicorn.Config(app, port=0, log_level="warning", lifespan="off")
        )
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        while not self.uvicorn.started:
            time.sleep(0.01)
        self.port = self.uvicorn.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def run(self):
        async def serve():
            self.loop = asyncio.get_running_loop()
            await self.answers.start()
            await self.uvicorn.serve()
            await self.answers.close()

        asyncio.run(serve())

    def client(self, **options):
        options = {"max_retries": 0} | options
        return openai.OpenAI(base_url=self.url, api_key=KEY, **options)

    def under_way(self):
        return len(self.answers._process._requests)

    def stop(self):
        self.uvicorn.should_exit = True
        self.thread.join()
        self.store.close()
        self.folder.cleanup()


def raw(server, body, read=True):
    """A raw request; the connection's socket, and the reply if `read`."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = socket.create_connection(("127.0.0.1", server.port))
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    if not read:
        return connection
    with connection, connection.makefile("rb") as file:
        return file.read().decode()


def no_strangers(model):
    """No field anywhere that the SDK's response models do not know."""
    if isinstance(model, list):
        return all(no_strangers(item) for item in model)
    if not isinstance(model, openai.BaseModel):
        return True
    return not model.model_extra and all(no_strangers(v) for _, v in model)
