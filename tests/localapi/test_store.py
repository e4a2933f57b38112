"""The database's rules, where a client cannot see them."""

from pathlib import Path

import pytest

from finetune_kit.localapi import filesystem
from finetune_kit.localapi.store import Store


def journal_mode(folder):
    store = Store(folder / "db.sqlite3")
    mode = store.one("PRAGMA journal_mode")[0]
    store.close()
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


def test_the_longest_mount_point_counts():
    mounts = [("/", "nfs4"), ("/home/me", "ext4"), ("/home", "nfs4")]
    assert filesystem._type_of(Path("/home/me/work"), mounts) == "ext4"


def test_a_transaction_leaves_nothing_behind_when_it_fails(tmp_path):
    store = Store(tmp_path / "db.sqlite3")

    def fail_halfway():
        with store.transaction() as db:
            db.execute("INSERT INTO facts VALUES ('x', 1)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert store.fact("x") == 0
    store.set_fact("x", 2)
    assert store.fact("x") == 2
    store.close()
