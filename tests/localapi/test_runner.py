"""What the server hands to workers, and how."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from finetune_kit.localapi.runner import LocalRunner, write_json
from tests.localapi.running import until

SLEEPER = "import time; print('here', flush=True); time.sleep(600)"


def test_a_new_server_knows_the_workers_that_an_earlier_one_left(tmp_path):
    """Else a job that is paused, and resumed after a restart, has two workers."""
    (tmp_path / "ftjob-1").mkdir()
    (tmp_path / "ftjob-1" / "worker.pid").write_text("1", encoding="utf-8")
    earlier = LocalRunner(tmp_path, (sys.executable, "-c", SLEEPER))
    earlier.submit("ftjob-1")
    until(lambda: earlier.complaint("ftjob-1"), bool)  # what it printed
    assert not (tmp_path / "ftjob-1" / "worker.pid").exists()  # of one before it
    later = LocalRunner(tmp_path)
    assert later.at_work() == {"ftjob-1"}
    later.stop("ftjob-1", save=False)
    until(earlier.at_work, lambda seen: not seen)


def test_two_threads_may_order_the_same_at_once(tmp_path):
    """The request that pauses a job, and the job thread that sees it paused."""
    path = tmp_path / "stop.json"

    def order(number):
        write_json(path, {"number": number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(order, range(400)))
    assert json.loads(path.read_text(encoding="utf-8"))["number"] in range(400)
    assert [each.name for each in tmp_path.iterdir()] == ["stop.json"]
