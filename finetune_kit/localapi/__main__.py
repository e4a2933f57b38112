"""`python -m finetune_kit.localapi`: start the local API on a workspace."""

import argparse
import os
import sys
from pathlib import Path

from finetune_kit import key_file
from finetune_kit.key_file import Key
from finetune_kit.localapi.kit import Settings
from finetune_kit.localapi.pace import PACES


def main(arguments: list[str] | None = None) -> int:
    from finetune_kit.localapi import sdk
    from finetune_kit.localapi.server import StartError, serve

    sdk.import_late()
    # the log is in Windows' encoding, which has not every letter of a folder's name
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
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
    parser.add_argument("--port", type=_port, help="default: the workspace's own")
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
        help="keys, one a line; behind a # whose key it is, or a comment",
    )
    parser.add_argument(
        "--instructor-key-file",
        type=Path,
        metavar="FILE",
        help="the key to the instructor's page at /class, which is else not there",
    )
    parser.add_argument(
        "--cpu-seconds",
        type=_positive,
        metavar="N",
        help="processor time that each key of a class may train; default: no limit",
    )
    parser.add_argument(
        "--jobs-at-once",
        type=_positive,
        metavar="N",
        help="default: one less than the computer has cores",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name under which this server may be called, such as the hub's "
        "(may be repeated); addresses in digits may always",
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
    keys = [Key(value) for value in given.api_key]
    if given.api_key_file:
        keys += key_file.read(given.api_key_file)
    instructor = given.instructor_key_file
    return Settings(
        workspace=given.home.expanduser().resolve(),
        host=given.host,
        port=given.port,
        api_keys=tuple(keys),
        pace=PACES[given.pace],
        deterministic=given.deterministic,
        base64_results=given.results == "base64",
        webhooks_anywhere=given.webhooks_anywhere,
        instructor_key=key_file.read(instructor)[0].value if instructor else "",
        cpu_seconds=given.cpu_seconds,
        jobs_at_once=given.jobs_at_once,
        allowed_hosts=tuple(given.allow_host),
    )


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is no port: 0 to 65535")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    sys.exit(main())
