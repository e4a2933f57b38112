"""`python -m finetune_kit.localapi`: start the local API on a workspace."""

import argparse
import os
import sys
from pathlib import Path

from finetune_kit.localapi.kit import Settings
from finetune_kit.localapi.pace import PACES


def main(arguments: list[str] | None = None) -> int:
    from finetune_kit.localapi import sdk
    from finetune_kit.localapi.server import StartError, serve

    sdk.import_late()
    try:
        serve(_settings(_parser().parse_args(arguments)))
    except (StartError, OSError, RuntimeError) as error:
        print(f"The local API did not start: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m finetune_kit.localapi",
        description="OpenAI's fine-tuning API on this computer.",
    )
    parser.add_argument("--home", type=Path, required=True, help="the workspace")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, help="default: the workspace's own")
    parser.add_argument(
        "--api-key",
        action="append",
        default=[],
        metavar="KEY",
        help="one more key, that is, one more user (may be repeated)",
    )
    parser.add_argument(
        "--api-key-file",
        type=Path,
        metavar="FILE",
        help="keys, one a line; # begins a comment",
    )
    parser.add_argument("--pace", choices=PACES, default="fast")
    parser.add_argument(
        "--deterministic",
        action="store_true",
        default=os.environ.get("FINETUNE_KIT_DETERMINISTIC") == "1",
        help="the same ids, times and seeds in each run on a fresh workspace",
    )
    parser.add_argument(
        "--results",
        choices=("base64", "plain"),
        default="base64",
        help="how result files are encoded; the service's are base64",
    )
    parser.add_argument(
        "--webhooks-anywhere",
        action="store_true",
        help="let webhooks go to other computers too; by default only to this one. "
        "Endpoints and their secrets are made with client.webhooks.create(...)",
    )
    return parser


def _settings(given: argparse.Namespace) -> Settings:
    keys = list(given.api_key)
    if given.api_key_file:
        keys += _keys_in(given.api_key_file)
    return Settings(
        workspace=given.home.expanduser().resolve(),
        host=given.host,
        port=given.port,
        api_keys=tuple(keys),
        pace=PACES[given.pace],
        deterministic=given.deterministic,
        base64_results=given.results == "base64",
        webhooks_anywhere=given.webhooks_anywhere,
    )


def _keys_in(path: Path) -> list[str]:
    """One key a line; blank lines and lines that begin with `#` are left out."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise RuntimeError(f"{path} is not UTF-8 text: one key a line.") from None
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if unusable := [number for number, key in enumerate(found, 1) if " " in key]:
        raise RuntimeError(
            f"Key number {unusable[0]} in {path} contains a space. Write one key a "
            "line, and comments on lines of their own that begin with #."
        )
    if not found:
        raise RuntimeError(f"{path} contains no key. Write one key a line.")
    return found


if __name__ == "__main__":
    sys.exit(main())
