"""The learners of a class and their keys, which stay the same from day to day."""

from __future__ import annotations

import codecs
import secrets
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from finetune_kit import key_file
from finetune_kit.key_file import Key, as_told_apart

MOST = 1000  # learners
LONGEST_NAME = 60  # characters
# Read from paper and typed: no letter that looks like a digit or like another one.
_LETTERS = "abcdefghkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 5, 4  # 98 bits
_JOINERS = "\u200c\u200d"  # invisible, and part of the spelling of some names


@dataclass(frozen=True)
class Folder:
    """Where a class keeps its keys: the folder ``class`` of its workspace."""

    home: Path

    @property
    def root(self) -> Path:
        return self.home / "class"

    @property
    def keys(self) -> Path:
        return self.root / "keys.txt"

    @property
    def instructor_key(self) -> Path:
        return self.root / "instructor-key.txt"

    @property
    def former_keys(self) -> Path:
        """Of names that are not in the list now; they open nothing."""
        return self.root / "former-keys.txt"

    @property
    def handouts(self) -> Path:
        return self.root / "handouts.html"

    def make(self) -> None:
        """For its owner alone, and never part of a Git repository around it."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        (self.root / ".gitignore").write_text("*\n", encoding="utf-8")


@dataclass(frozen=True)
class Roster:
    """Everybody's keys; ``left_out`` had one before and are not in the list now."""

    learners: list[Key]
    instructor: Key
    left_out: list[str]


def read_names(path: Path) -> list[str]:
    """The names in a file, one a line. Raises ValueError that says which line is bad.

    Blank lines and lines that begin with ``#`` are left out.
    """
    raw = path.read_bytes()
    # PowerShell's `>` and Excel's “Unicode text” write UTF-16
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(
            f"{path} is not UTF-8 text. Save it as “UTF-8” or “Unicode text”, one "
            "name a line; a spreadsheet has to be exported first."
        ) from None
    seen: dict[str, int] = {}
    names = []
    for number, line in enumerate(text.splitlines(), 1):
        name = unicodedata.normalize("NFC", " ".join(line.split()))
        if not name or name.startswith("#"):
            continue
        _refuse_name(name, f"{path}, line {number}")
        earlier = seen.setdefault(as_told_apart(name), number)
        if earlier != number:
            raise ValueError(
                f"{path}, line {number}: “{name}” stands already in line {earlier}. "
                "Two learners need two names: add an initial, or a number."
            )
        names.append(name)
    if not names:
        raise ValueError(f"{path} contains no name. Write one name a line.")
    if len(names) > MOST:
        raise ValueError(f"{path} contains {len(names)} names; {MOST} are the most.")
    return names


def _refuse_name(name: str, where: str) -> None:
    if len(name) > LONGEST_NAME:
        raise ValueError(
            f"{where}: a name has at most {LONGEST_NAME} characters, this one has "
            f"{len(name)}. Write one name a line."
        )
    for letter in name:
        if letter == "#" or not (letter.isprintable() or letter in _JOINERS):
            called = f"U+{ord(letter):04X} {unicodedata.name(letter, '')}".strip()
            shown = f"“{letter}”" if letter == "#" else f"an invisible {called}"
            raise ValueError(
                f"{where}: “{name}” contains {shown}, which no name has. Take it out."
            )


def enrol(folder: Folder, names: Iterable[str]) -> Roster:
    """Keys for everybody: those of an earlier day stay, also for a name that comes
    back or is written with another capital; who is new gets one."""
    former, latest = _known(folder.former_keys), _known(folder.keys)
    known = former | latest
    learners = [
        Key(known.pop(as_told_apart(name), Key(_new())).value, name) for name in names
    ]
    if folder.instructor_key.exists():
        instructor = key_file.read(folder.instructor_key)[0]
    else:
        instructor = Key(_new(), "instructor")
    folder.make()
    key_file.write(folder.keys, learners, "One key a learner. Keep this file secret.")
    if known:
        key_file.write(folder.former_keys, known.values(), "They open nothing now.")
    else:
        folder.former_keys.unlink(missing_ok=True)
    key_file.write(
        folder.instructor_key, [instructor], "Opens the instructor's page, /class."
    )
    left_out = [key.name for name, key in latest.items() if name in known]
    return Roster(learners, instructor, left_out)


def _known(path: Path) -> dict[str, Key]:
    """The keys in a file by name, as names are told apart; {} without the file."""
    if not path.exists():
        return {}
    return {as_told_apart(key.name): key for key in key_file.read(path)}


def _new() -> str:
    letters = (secrets.choice(_LETTERS) for _ in range(_GROUPS * _GROUP))
    groups = ["".join(group) for group in zip(*[letters] * _GROUP, strict=True)]
    return "-".join(["sk", *groups])
