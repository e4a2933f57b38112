"""The local API with `fake_worker.py` in the place of the engine's worker."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from finetune_kit.localapi import runner
from finetune_kit.localapi.__main__ import main

runner.WORKER = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))
sys.exit(main())
