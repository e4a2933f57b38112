"""The server's database: SQLite, the truth about files, jobs, events and models.

Each thread has its own connection, so that a poll never waits for a transaction of
the job thread; writers take turns under one lock.
"""

import contextlib
import shutil
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetune_kit.localapi.filesystem import is_network
from finetune_kit.patience import patiently

_SCHEMA = """
CREATE TABLE files (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    filename TEXT NOT NULL,
    purpose TEXT NOT NULL
);
CREATE INDEX files_by_owner ON files (owner, seq);
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    latest_at INTEGER NOT NULL,        -- time of the newest event
    finished_at INTEGER,
    estimated_finish INTEGER,
    status TEXT NOT NULL,
    model TEXT NOT NULL,               -- as the job object shows it
    base TEXT NOT NULL,                -- the catalog's base behind it
    base_weights TEXT,                 -- null: the shipped weights
    training_file TEXT NOT NULL,
    validation_file TEXT,
    hyperparameters TEXT NOT NULL,     -- JSON
    seed INTEGER NOT NULL,
    suffix TEXT,
    metadata TEXT,                     -- JSON or null
    integrations TEXT,                 -- JSON or null
    error TEXT,                        -- JSON or null
    fine_tuned_model TEXT,
    result_files TEXT NOT NULL DEFAULT '[]',
    trained_tokens INTEGER,
    consumed_seq INTEGER NOT NULL DEFAULT 0,     -- worker events taken over
    snapshots TEXT NOT NULL DEFAULT '[]',        -- JSON: epochs seen so far
    starts INTEGER NOT NULL DEFAULT 0            -- how often a worker was started
);
CREATE INDEX jobs_by_owner ON jobs (owner, seq);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    job_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    level TEXT NOT NULL,
    message TEXT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL                 -- JSON; "null" for none
);
CREATE INDEX events_by_job ON events (job_id, seq);
CREATE TABLE checkpoints (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    job_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    model TEXT NOT NULL,
    step INTEGER NOT NULL,
    metrics TEXT NOT NULL              -- JSON
);
CREATE INDEX checkpoints_by_job ON checkpoints (job_id, seq);
CREATE TABLE models (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    base TEXT NOT NULL,
    weights TEXT NOT NULL,             -- relative to the folder `models`
    is_checkpoint INTEGER NOT NULL
);
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""
# PRAGMA user_version -> what leads to it from the version before.
_STEPS = {
    1: _SCHEMA,
    2: """
ALTER TABLE jobs ADD COLUMN method TEXT NOT NULL DEFAULT 'supervised';
CREATE TABLE uploads (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,       -- of the upload
    filename TEXT NOT NULL,
    purpose TEXT NOT NULL,
    mime_type TEXT NOT NULL,
    file_lifetime INTEGER,             -- seconds from the file's creation
    status TEXT NOT NULL,              -- pending, completed, cancelled
    file_id TEXT
);
CREATE TABLE parts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    upload_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL
);
CREATE INDEX parts_by_upload ON parts (upload_id, seq);
CREATE TABLE webhook_endpoints (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    event_types TEXT NOT NULL,         -- JSON
    secret TEXT NOT NULL,
    old_secret TEXT,
    old_secret_until INTEGER
);
CREATE TABLE webhook_deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,                  -- of the event
    endpoint_id TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL                  -- Unix time of the next attempt
);
""",
    3: """
CREATE TABLE stored_completions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    model TEXT NOT NULL,
    metadata TEXT,                     -- JSON or null
    messages TEXT NOT NULL,            -- JSON: what was asked
    document TEXT NOT NULL             -- JSON: what was answered
);
CREATE INDEX stored_completions_by_owner ON stored_completions (owner, seq);
""",
    4: """
ALTER TABLE jobs ADD COLUMN worker_cpu REAL NOT NULL DEFAULT 0;  -- its latest reading
CREATE TABLE training_time (
    owner TEXT PRIMARY KEY,
    seconds REAL NOT NULL              -- of processor time, spent by all its jobs
);
""",
    5: """
CREATE TABLE checkpoint_permissions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    model TEXT NOT NULL,
    project_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (model, project_id)
);
CREATE TRIGGER permissions_go_with_their_model AFTER DELETE ON models BEGIN
    DELETE FROM checkpoint_permissions WHERE model = old.name;
END;
CREATE TABLE responses (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    items TEXT NOT NULL,               -- JSON: what was asked in this request
    document TEXT NOT NULL             -- JSON: what was answered
);
""",
    # Where in its list an item stood that is deleted: the next page begins behind it.
    6: """
CREATE TABLE gone (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    seq INTEGER NOT NULL
);
"""
    + "".join(
        f"""
CREATE TRIGGER place_of_{table} AFTER DELETE ON {table} BEGIN
    INSERT OR REPLACE INTO gone VALUES (old.id, old.owner, old.seq);
END;
"""
        for table in (
            "files",
            "stored_completions",
            "webhook_endpoints",
            "checkpoint_permissions",
        )
    ),
}
VERSION = max(_STEPS)
TABLES = (
    "files",
    "jobs",
    "events",
    "checkpoints",
    "models",
    "facts",
    "uploads",
    "parts",
    "webhook_endpoints",
    "webhook_deliveries",
    "stored_completions",
    "checkpoint_permissions",
    "responses",
    "training_time",
    "gone",  # last: the others leave their traces in it
)


class Store:
    """Opens (or makes) the database at `path`.

    Raises RuntimeError for a database that a newer version wrote, or a damaged one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # WAL needs shared memory, which network file systems do not give.
        self._journal_mode = "DELETE" if is_network(path.parent) else "WAL"
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._writing = threading.Lock()
        _keep_private(path)
        try:
            self._refuse_damaged()
            self._migrate()
        except sqlite3.DatabaseError as error:
            raise _damaged(path, str(error)) from None

    def all(self, sql: str, *parameters: Any) -> list[sqlite3.Row]:
        return self._connection().execute(sql, parameters).fetchall()

    def one(self, sql: str, *parameters: Any) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._connection().execute(sql, parameters).fetchone()
        return row

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; one writer at a time. Do not nest."""
        connection = self._connection()
        with self._writing:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk ends it by itself
                    connection.execute("ROLLBACK")
                raise

    def fact(self, name: str) -> int:
        """A number the server remembers about itself; 0 before it was set."""
        row = self.one("SELECT value FROM facts WHERE name = ?", name)
        return int(row["value"]) if row else 0

    def set_fact(self, name: str, value: int) -> None:
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def newest_time(self) -> int:
        """The latest moment that any record speaks of; 0 in an empty database."""
        row = self.one(
            "SELECT max((SELECT ifnull(max(created_at), 0) FROM files),"
            " (SELECT ifnull(max(max(created_at, latest_at)), 0) FROM jobs)) AS t"
        )
        return int(row["t"]) if row else 0

    def clear(self) -> None:
        """Forget everything."""
        with self.transaction() as db:
            for table in TABLES:
                db.execute(f"DELETE FROM {table}")

    def close(self) -> None:
        """Close every thread's connection; no thread may use the store any more."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "db", None)
        if connection is None:
            connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, timeout=30
            )
            connection.row_factory = sqlite3.Row
            connection.execute(f"PRAGMA journal_mode = {self._journal_mode}")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._local.db = connection
            self._connections.append(connection)
        return connection

    def _refuse_damaged(self) -> None:
        found = self._connection().execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise _damaged(self.path, str(found).splitlines()[-1])

    def _migrate(self) -> None:
        connection = self._connection()
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found > VERSION:
            raise RuntimeError(
                f"{self.path} was written by a newer finetune-kit (schema {found}, "
                f"this one knows {VERSION}). Update finetune-kit, or start on another "
                "workspace with --home."
            )
        if 0 < found < VERSION:
            self._back_up(connection, found)
        for version in range(found + 1, VERSION + 1):
            connection.executescript(
                f"BEGIN; {_STEPS[version]} PRAGMA user_version = {version}; COMMIT;"
            )

    def _back_up(self, connection: sqlite3.Connection, version: int) -> None:
        """A copy beside the database, for those who go back to an older program."""
        path = self.path.with_suffix(f".before-{version + 1}")
        path.touch(mode=0o600)
        target = sqlite3.connect(path)
        with contextlib.closing(target):
            connection.backup(target)


def _keep_private(path: Path) -> None:
    """Readable by its owner alone; SQLite gives its side files the same mode."""
    path.touch(mode=0o600)
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(name).chmod(0o600)


def _damaged(path: Path, reason: str) -> RuntimeError:
    return RuntimeError(
        f"The database {path} is damaged ({reason}). Put back a copy of it if you have "
        f"one. Else rename the folder {path.parent}: the local API then starts with an "
        "empty one, and the files and models of finished jobs stay in the old one, "
        "under files and models."
    )


def copy_file(source: Path, target: Path) -> None:
    """Make `target` hold what `source` holds, atomically, without a second copy
    where the file system can link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".new")
    temporary.unlink(missing_ok=True)
    if not _linked(temporary, source):
        shutil.copyfile(source, temporary)
    patiently(lambda: temporary.replace(target))


def _linked(path: Path, source: Path) -> bool:
    """Whether `path` could be made a link to `source`.

    Never on Windows, where none of a file's links can be removed or renamed while
    somebody reads another one.
    """
    if sys.platform == "win32":
        return False
    try:
        path.hardlink_to(source)
    except (OSError, NotImplementedError):
        return False
    return True
