"""What a file must fulfil for its purpose, and how long it lives.

Sources: contract 1.1, 3.1.
"""

import json
from pathlib import Path
from typing import BinaryIO

from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.requests import integer_in

PURPOSES = ("fine-tune", "assistants", "batch", "user_data", "vision", "evals")
_JSONL_ONLY = ("fine-tune", "batch")
_BATCH_LIFETIME = 30 * 24 * 3600  # seconds
_FIRST_LINE_LIMIT = 16 * 2**20  # bytes that the look at an upload may read


def plain_name(filename: str) -> str:
    """A client's file name without its folders; it is shown, never opened."""
    return Path(filename).name.replace("\x00", "")


def lifetime(seconds: int | None, purpose: str) -> int | None:
    """Seconds from the file's creation to its expiry; `seconds` as the client gave
    them in `expires_after`."""
    if seconds is None:
        return _BATCH_LIFETIME if purpose == "batch" else None
    integer_in(seconds, "expires_after[seconds]", 3600, 2_592_000)
    return seconds


def not_one_of(value: str, allowed: tuple[str, ...], name: str) -> ApiError:
    return ApiError(
        400, f"'{value}' is not one of {list(allowed)} - '{name}'", param=name
    )


def refuse_name(filename: str, purpose: str) -> None:
    # No extension: openai 0.28 calls every file that its module uploads `file`.
    suffix = Path(filename).suffix.lower()
    if purpose in _JSONL_ONLY and suffix not in (".jsonl", ""):
        raise ApiError(
            400,
            f"Invalid extension '{Path(filename).suffix}' of '{filename}'. Purpose "
            f"'{purpose}' accepts only '.jsonl' files: one JSON object per line, saved "
            "as UTF-8.",
            param="file",
        )


def refuse_content(file: BinaryIO, filename: str, purpose: str) -> None:
    """The service looks at the first line; the rest is the job's part."""
    if purpose not in _JSONL_ONLY:
        return
    first = file.readline(_FIRST_LINE_LIMIT)
    file.seek(0)
    if not first:
        raise ApiError(
            400,
            f"The file '{filename}' is empty. Expected file to have JSONL format, "
            "where every line is a JSON dictionary.",
            param="file",
        )
    if not _is_dictionary(first):
        start = first[:64].decode("utf-8", errors="replace")[:4].rstrip("\r\n")
        raise ApiError(
            400,
            "Expected file to have JSONL format, where every line is a JSON "
            f'dictionary. Line 1 is not a dictionary (HINT: line starts with: "{start}'
            '...").' + _advice(first),
            param="file",
        )


def _is_dictionary(line: bytes) -> bool:
    """A line longer than the limit is left to the job's validation."""
    if len(line) == _FIRST_LINE_LIMIT:
        return True
    try:
        return isinstance(json.loads(line.decode("utf-8")), dict)
    except (ValueError, RecursionError):
        return False


def _advice(line: bytes) -> str:
    """What to do about it, in the kit's own words, after the service's."""
    if line.startswith(b"\xef\xbb\xbf"):
        return " The file starts with a byte order mark: save it as UTF-8 without BOM."
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        return " The file is UTF-16: save it as UTF-8."
    if line.lstrip().startswith(b"["):
        return " It is a JSON array: write each element on a line of its own."
    if line.strip() in (b"{", b""):
        return " One example must stand on one line, without line breaks inside."
    return " Each line must be one complete JSON object, encoded as UTF-8."
