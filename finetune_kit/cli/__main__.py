"""``python -m finetune_kit.cli`` is the same as ``finetune-kit``."""

from finetune_kit.cli import main

main(prog_name="finetune-kit")
