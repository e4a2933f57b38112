"""Runs `openai tools fine_tunes.prepare_data -q` of openai 0.28.1 on many files.

It is started by that version's own Python: ``python old_prepare_data.py FILE …``, and
prints one JSON object: file -> {"code", "said"}.
"""

import contextlib
import io
import json
import sys
from argparse import Namespace

from openai.cli import FineTune

results = {}
for file in sys.argv[1:]:
    said, code = io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            FineTune.prepare_data(Namespace(file=file, quiet=True))
        except SystemExit as stop:
            code = stop.code
        except Exception as error:
            code, _ = 70, print(f"crashed: {error!r}")
    results[file] = {"code": code, "said": said.getvalue()}
print(json.dumps(results))
