"""What a starting server clears away, before it serves."""

import shutil
import time

from finetune_kit.localapi.kit import Kit

KEEP_JOB_FOLDERS = 7 * 24 * 3600  # seconds after the last change; models stay


def tidy(kit: Kit) -> None:
    """Remove expired files, folders of jobs that ended long ago, and what a killed
    server had written but not yet recorded."""
    with kit.store.transaction() as db:
        now = kit.clock.reading()
        db.execute("DELETE FROM files WHERE expires_at <= ?", (now,))
    recorded = {row["id"] for row in kit.store.all("SELECT id FROM files")}
    for path in kit.home.files.iterdir():
        if path.name not in recorded:
            path.unlink()
    served = {row["weights"] for row in kit.store.all("SELECT weights FROM models")}
    for path in kit.home.models.glob("*/*.npz"):
        if path.relative_to(kit.home.models).as_posix() not in served:
            path.unlink()
    active = {job["id"] for job in kit.lifecycle.active_jobs()}
    for folder in kit.home.jobs.iterdir():
        age = time.time() - folder.stat().st_mtime
        if age > KEEP_JOB_FOLDERS and folder.name not in active:
            shutil.rmtree(folder, ignore_errors=True)
