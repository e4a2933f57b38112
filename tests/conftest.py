"""What all tests share: fixed ids and clocks, their own workspace, skips."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

#: Set by .ci/run: markers whose skips are failures, because the tool can be had there;
#: and programs (node, ruby) that are there.
REQUIRED = os.environ.get("FINETUNE_KIT_REQUIRED", "").split()
#: What a learner may have set and no test may depend on.
_LEFT_OUT = ("OPENAI_", "FINETUNE_KIT_TARGET", "FINETUNE_KIT_BUDGET_USD")
# Each example has 200 ms otherwise, which a busy computer exceeds now and then.
settings.register_profile(
    "busy", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_configure(config: pytest.Config) -> None:
    """Point the kit to a temporary workspace before any test module is imported."""
    for name in [name for name in os.environ if name.startswith(_LEFT_OUT)]:
        del os.environ[name]
    os.environ["FINETUNE_KIT_HOME"] = tempfile.mkdtemp(prefix="finetune-kit-")
    os.environ["FINETUNE_KIT_DETERMINISTIC"] = "1"


def pytest_unconfigure() -> None:
    """Stop a server that a test left in the temporary workspace, and remove that."""
    from finetune_kit import local_server

    if server := local_server.find():
        local_server.stop(server)
    shutil.rmtree(os.environ["FINETUNE_KIT_HOME"], ignore_errors=True)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:
    """Turn a skip into a failure where the missing tool was promised to be there."""
    report = yield
    marked = [name for name in REQUIRED if item.get_closest_marker(name)]
    slow = item.get_closest_marker("slow")
    missing = re.search(r"(\w+) is not installed", str(report.longrepr))
    if missing and missing[1] not in REQUIRED:
        return report
    if report.skipped and marked and not slow and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = (
            f"skipped, but {marked[0]} tests must run here: {report.longrepr}"
        )
    return report
