"""The database's rules, where a client cannot see them."""

import os
import sqlite3
from pathlib import Path

import pytest

from finetune_kit.localapi import filesystem, store
from finetune_kit.localapi.store import Store


def journal_mode(folder):
    opened = Store(folder / "db.sqlite3")
    mode = opened.one("PRAGMA journal_mode")[0]
    opened.close()
    return mode


def test_a_local_folder_gets_a_write_ahead_log(tmp_path):
    assert journal_mode(tmp_path) == "wal"


def test_a_network_folder_does_not(tmp_path, monkeypatch):
    mounts = [("/", "ext4"), (str(tmp_path), "nfs4"), ("/proc", "proc")]
    monkeypatch.setattr(filesystem, "_mounts", lambda: mounts)
    assert journal_mode(tmp_path) == "delete"


@pytest.mark.parametrize(
    ("line", "mount"),
    [
        ("server:/export on /Users/a b (nfs, nodev)", ("/Users/a b", "nfs")),
        ("/dev/disk1 on / (apfs, local)", ("/", "apfs")),
    ],
)
def test_mounts_are_read_as_bsd_prints_them(line, mount):
    assert filesystem._bsd_mount(line) == mount


@pytest.mark.skipif(os.name != "posix", reason="there is no mount")
def test_a_mount_point_of_other_letters_does_not_hide_the_rest(tmp_path, monkeypatch):
    """macOS: a disk whose name is not UTF-8."""
    program = tmp_path / "mount"
    program.write_bytes(b"#!/bin/sh\nprintf 's on /Volumes/\\351t\\351 (nfs, x)\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert [kind for _, kind in filesystem._mounts()] == ["nfs"]


def test_the_longest_mount_point_counts():
    mounts = [("/", "nfs4"), ("/home/me", "ext4"), ("/home", "nfs4")]
    assert filesystem._type_of(Path("/home/me/work"), mounts) == "ext4"


def test_an_older_database_is_brought_up_to_date_and_backed_up(tmp_path, monkeypatch):
    path = tmp_path / "db.sqlite3"
    with monkeypatch.context() as patched:
        patched.setattr(store, "VERSION", 1)
        old = Store(path)
        with old.transaction() as db:
            db.execute(
                "INSERT INTO jobs (id, owner, created_at, latest_at, status, model,"
                " base, training_file, hyperparameters, seed)"
                " VALUES ('ftjob-1', 'me', 1, 1, 'succeeded', 'm', 'm', 'f', '{}', 1)"
            )
        old.close()
    new = Store(path)
    (job,) = new.all("SELECT id, method FROM jobs")
    assert tuple(job) == ("ftjob-1", "supervised")
    assert new.all("SELECT * FROM uploads") == []
    new.close()
    backup = sqlite3.connect(path.with_suffix(".before-2"))
    assert backup.execute("PRAGMA user_version").fetchone() == (1,)
    assert backup.execute("SELECT id FROM jobs").fetchone() == ("ftjob-1",)
    backup.close()


def test_a_database_of_a_newer_program_is_not_touched(tmp_path, monkeypatch):
    path = tmp_path / "db.sqlite3"
    Store(path).close()
    monkeypatch.setattr(store, "VERSION", 1)
    with pytest.raises(RuntimeError, match="written by a newer finetune-kit"):
        Store(path)


def test_a_transaction_leaves_nothing_behind_when_it_fails(tmp_path):
    opened = Store(tmp_path / "db.sqlite3")

    def fail_halfway():
        with opened.transaction() as db:
            db.execute("INSERT INTO facts VALUES ('x', 1)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert opened.fact("x") == 0
    opened.set_fact("x", 2)
    assert opened.fact("x") == 2
    opened.close()
