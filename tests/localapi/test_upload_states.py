"""Uploads as a state machine: parts, ends and the clock in any order; a file is made of
exactly the parts that were named, and nothing else is ever left behind."""

import hashlib

import openai
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.localapi.running import RunningServer, advance

_LIFETIME = 3600  # seconds


class Uploads(RuleBasedStateMachine):
    """What one user does with uploads, and what must hold all the while."""

    server: RunningServer
    uploads = Bundle("uploads")

    def __init__(self):
        super().__init__()
        self.client = self.server.client(self.server.own_key)
        self.declared, self.status = {}, {}  # of each upload
        self.parts = {}  # upload -> {part: its content}
        self.files = {}  # file -> its content

    @rule(target=uploads, size=st.integers(1, 9))
    def create_upload(self, size):
        upload = self.client.uploads.create(
            bytes=size, filename="a.txt", mime_type="text/plain", purpose="assistants"
        )
        assert (upload.status, upload.file) == ("pending", None)
        self.declared[upload.id], self.status[upload.id] = size, "pending"
        self.parts[upload.id] = {}
        return upload.id

    @rule(upload=uploads, content=st.binary(min_size=1, max_size=5))
    def add_part(self, upload, content):
        part = self.if_pending(
            upload, self.client.uploads.parts.create, upload, data=content
        )
        if part:
            assert part.upload_id == upload
            self.parts[upload][part.id] = content

    @rule(upload=uploads, data=st.data(), md5=st.sampled_from([None, True, False]))
    def complete_upload(self, upload, data, md5):
        """Possible with parts, each once, whose sizes and digest are as declared."""
        parts = self.parts[upload]
        chosen = data.draw(st.permutations(sorted(parts)))
        chosen = chosen[: data.draw(st.integers(0, len(chosen)))]
        content = b"".join(parts[part] for part in chosen)
        digest = hashlib.md5(content if md5 else content + b"x").hexdigest()
        given = {} if md5 is None else {"md5": digest}
        fits = len(content) == self.declared[upload] and md5 is not False
        complete = self.client.uploads.complete
        if not fits:
            with pytest.raises(openai.BadRequestError):
                complete(upload, part_ids=chosen, **given)
            return
        done = self.if_pending(upload, complete, upload, part_ids=chosen, **given)
        if done:
            assert (done.status, done.file.bytes) == ("completed", len(content))
            self.status[upload] = "completed"
            self.files[done.file.id] = content

    @rule(upload=uploads, other=uploads)
    def complete_with_parts_of_another(self, upload, other):
        if upload != other and self.parts[other]:
            with pytest.raises(openai.BadRequestError):
                self.client.uploads.complete(upload, part_ids=list(self.parts[other]))

    @rule(upload=uploads)
    def cancel_upload(self, upload):
        if found := self.if_pending(upload, self.client.uploads.cancel, upload):
            assert found.status == "cancelled"
            self.status[upload] = "cancelled"

    @rule()
    def let_an_hour_go_by(self):
        advance(self.server, _LIFETIME + 1)
        for upload, status in self.status.items():
            if status == "pending":
                self.status[upload] = "expired"

    @invariant()
    def every_file_is_what_its_parts_were(self):
        listed = {file.id for file in self.client.files.list()}
        assert listed >= set(self.files)
        for file in list(self.files)[-1:]:
            assert self.client.files.content(file).content == self.files[file]

    @invariant()
    def what_has_ended_leaves_no_parts(self):
        folder = self.server.folder / "uploads"
        for upload, status in self.status.items():
            if status in ("completed", "cancelled"):
                assert not (folder / upload).exists()
            elif status == "pending":
                kept = {path.name for path in (folder / upload).glob("*")}
                assert kept == set(self.parts[upload])

    def if_pending(self, upload, call, *arguments, **given):
        """The reply; None where the upload has ended and the call is refused so."""
        status = self.status[upload]
        if status == "pending":
            return call(*arguments, **given)
        with pytest.raises(openai.BadRequestError, match=f"is {status}"):
            call(*arguments, **given)
        return None


@pytest.mark.parametrize("examples", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_uploads_in_any_order_of_requests(tmp_path, examples):
    with RunningServer(tmp_path, fake=True) as server:
        Uploads.server = server
        run_state_machine_as_test(
            Uploads,
            settings=settings(
                max_examples=examples,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
