"""The command line ``finetune-kit``: a thin skin over the package.

Every command exits 0 when done, 1 when the answer is no, 2 on wrong use.
"""

from finetune_kit.cli.program import main

__all__ = ["main"]
