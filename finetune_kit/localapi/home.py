"""Where the server keeps its things: the folder `server` of a workspace."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """Paths under `<workspace>/server`."""

    workspace: Path

    @property
    def root(self) -> Path:
        return self.workspace / "server"

    @property
    def key(self) -> Path:
        return self.root / "key"

    @property
    def port(self) -> Path:
        return self.root / "port"

    @property
    def info(self) -> Path:
        """`server.json`: pid and port of the running server."""
        return self.root / "server.json"

    @property
    def running(self) -> Path:
        """Locked as long as a server runs on this workspace."""
        return self.root / "running.lock"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def database(self) -> Path:
        return self.root / "localapi.sqlite3"

    @property
    def temporary(self) -> Path:
        """Uploads in transit; emptied at each start."""
        return self.root / "tmp"

    @property
    def files(self) -> Path:
        return self.root / "files"

    @property
    def uploads(self) -> Path:
        """Parts of uploads that are not completed yet."""
        return self.root / "uploads"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def contents(self) -> tuple[Path, ...]:
        """The folders that hold what users made."""
        return self.files, self.uploads, self.jobs, self.models

    def make(self) -> None:
        """What a class learns on is nobody else's: the folder is its owner's alone."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        for folder in (self.temporary, *self.contents):
            folder.mkdir(parents=True, exist_ok=True)

    def file(self, file_id: str) -> Path:
        return self.files / file_id

    def part(self, upload_id: str, part_id: str) -> Path:
        return self.uploads / upload_id / part_id

    def job(self, job_id: str) -> Path:
        return self.jobs / job_id

    def weights(self, job_id: str, step: int) -> Path:
        return self.models / job_id / f"step-{step}.npz"
