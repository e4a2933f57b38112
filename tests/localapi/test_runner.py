"""What the server hands to workers, and how."""

import json
from concurrent.futures import ThreadPoolExecutor

from finetune_kit.localapi.runner import write_json


def test_two_threads_may_order_the_same_at_once(tmp_path):
    """The request that pauses a job, and the job thread that sees it paused."""
    path = tmp_path / "stop.json"

    def order(number):
        write_json(path, {"number": number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(order, range(400)))
    assert json.loads(path.read_text(encoding="utf-8"))["number"] in range(400)
    assert [each.name for each in tmp_path.iterdir()] == ["stop.json"]
