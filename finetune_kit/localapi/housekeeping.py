"""What a server clears away: before it serves, and what expires from then on."""

import contextlib
import shutil
import time
from pathlib import Path

from finetune_kit.localapi.kit import Kit

KEEP_JOB_FOLDERS = 7 * 24 * 3600  # seconds after the last change; models stay


def tidy(kit: Kit) -> None:
    """Remove what has expired, folders of jobs that ended long ago, and what a killed
    server had written but not yet recorded."""
    remove_expired(kit)
    recorded = {row["id"] for row in kit.store.all("SELECT id FROM files")}
    for path in kit.home.files.iterdir():
        if path.is_file() and path.name not in recorded:
            remove(path)
    parts = {row["id"] for row in kit.store.all("SELECT id FROM parts")}
    for path in kit.home.uploads.glob("*/*"):
        if path.is_file() and path.name not in parts:
            remove(path)
    served = {row["weights"] for row in kit.store.all("SELECT weights FROM models")}
    for path in kit.home.models.glob("*/*.npz"):
        known = path.relative_to(kit.home.models).as_posix() in served
        if path.is_file() and not known:
            remove(path)
    active = {job["id"] for job in kit.lifecycle.active_jobs()}
    told = {row["id"] for row in kit.store.all("SELECT id FROM jobs")}
    for folder in kit.home.jobs.iterdir():
        is_old = time.time() - folder.stat().st_mtime > KEEP_JOB_FOLDERS
        if folder.name not in told or (is_old and folder.name not in active):
            shutil.rmtree(folder, ignore_errors=True)


def remove_expired(kit: Kit) -> None:
    """Forget files and uploads whose time has come, and free their disk space."""
    now = kit.clock.reading()
    with kit.store.transaction() as db:
        files = db.execute(
            "DELETE FROM files WHERE expires_at <= ? RETURNING id", (now,)
        ).fetchall()
        uploads = db.execute(
            "DELETE FROM parts WHERE upload_id IN (SELECT id FROM uploads"
            " WHERE status = 'pending' AND expires_at <= ?) RETURNING upload_id",
            (now,),
        ).fetchall()
    for file in files:
        remove(kit.home.file(file["id"]))
    for upload_id in {part["upload_id"] for part in uploads}:
        shutil.rmtree(kit.home.uploads / upload_id, ignore_errors=True)


def remove(path: Path) -> None:
    """Remove a file that nothing names any more, if it is there.

    Windows refuses while somebody reads it; the next start then clears it away.
    """
    with contextlib.suppress(FileNotFoundError, PermissionError):
        path.unlink()
