"""What clients can bring about only by hitting the right millisecond."""

from types import SimpleNamespace

from finetune_kit import disk
from finetune_kit.localapi import processes
from finetune_kit.localapi.lifecycle import Lifecycle
from finetune_kit.localapi.store import Store
from tests.localapi.running import until


def test_a_worker_that_started_while_its_job_was_cancelled_is_stopped(tmp_path):
    store, stopped = Store(tmp_path / "db.sqlite3"), []
    runner = SimpleNamespace(
        slots=1,
        at_work=lambda: {"ftjob-cancelled"},
        stop=lambda job_id, save: stopped.append((job_id, save)),
    )
    lifecycle = Lifecycle(SimpleNamespace(store=store, runner=runner))
    lifecycle.start()
    until(lambda: stopped, bool)
    lifecycle.close()
    store.close()
    assert stopped[0] == ("ftjob-cancelled", False)


def test_a_worker_that_was_lost_is_not_started_again_before_there_is_room(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(disk, "LEAST_ROOM", 2**70)
    kit = SimpleNamespace(home=SimpleNamespace(root=tmp_path))
    Lifecycle(kit)._start_again({"id": "ftjob-lost", "starts": 3})  # nothing happens


def test_a_worker_without_a_known_pid_does_not_end_the_server_itself(monkeypatch):
    ended = []
    monkeypatch.setattr(processes.os, "kill", lambda pid, signal: ended.append(pid))
    processes.terminate(0)  # to the system: every process of this group
    assert ended == []
