import os
import socket
import subprocess
import sys
import time
from dataclasses import replace

import openai
import pytest

from finetune_kit import connect, disk, local_server
from finetune_kit.connect import banner, environment, find_target
from tests.learner import ROOT, fresh_home

ELSEWHERE = {
    "OPENAI_API_KEY": "sk-somebody-elses",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "OPENAI_ORG_ID": "org-somebody",
    "OPENAI_PROJECT_ID": "proj-somebody",
    "OPENAI_ADMIN_KEY": "sk-admin-somebody",
    "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer sk-somebody-elses",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
}


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("connect") / "ws") as folder:
        yield folder


def test_from_nothing_to_a_first_reply_without_a_word_printed(capsys):
    assert "tinygpt" in [model.id for model in connect().models.list()]
    assert capsys.readouterr() == ("", "")


def test_a_running_server_is_found_again_at_once():
    connect().models.list()  # what the SDK imports late is not ours to count
    seconds = []
    for _ in range(30):
        started = time.perf_counter()
        connect().models.list()
        seconds.append(time.perf_counter() - started)
    assert min(seconds) <= 0.1  # the median is the benchmark's: machines are busy


def test_the_environment_cannot_send_a_local_client_elsewhere(monkeypatch):
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    client = connect()
    assert client.models.list().data
    assert "somebody" not in repr(client._build_request(_options()).headers.raw)


def test_a_server_near_you_is_asked_past_any_proxy(monkeypatch):
    server = local_server.running()
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("OPENAI_CUSTOM_HEADERS")
    monkeypatch.setenv("OPENAI_API_KEY", server.key)
    assert connect(server.base_url).models.list().data


def _options():
    from openai._models import FinalRequestOptions

    return FinalRequestOptions(method="get", url="/models")


def test_export_points_calls_on_the_module_at_the_same_api(monkeypatch):
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "")
    client = connect(export=True)
    assert environment(client).items() <= dict(os.environ).items()
    assert openai.OpenAI().models.list().data


def test_export_reaches_the_module_again_past_any_proxy(monkeypatch):
    """The module keeps its first client; a second export must not be lost on it."""
    for name in ("base_url", "api_key", "organization", "project", "http_client"):
        monkeypatch.setattr(openai, name, None)
    monkeypatch.setattr(openai, "_client", None)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-somebody")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert str(openai.files._client.base_url) == "http://127.0.0.1:9/v1/"
    connect(export=True)
    assert openai.models.list().data


def test_a_server_of_another_version_is_replaced_when_idle(monkeypatch):
    connect()
    before = local_server.find()
    monkeypatch.setattr("finetune_kit.__version__", "99.0")
    after = local_server.running()
    assert after.pid != before.pid
    assert after.port == before.port


def test_two_kernels_that_start_together_share_one_server():
    local_server.stop(local_server.running())
    code = "from finetune_kit import connect; print(connect().base_url)"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    urls = {run.communicate()[0] for run in runs}
    assert urls == {f"{local_server.find().base_url}/\n"}


def test_a_server_that_does_not_start_says_why(monkeypatch, tmp_path):
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(tmp_path / "ws"))
    with pytest.raises(
        local_server.ServerError, match=r"server\.log, ends with(.|\n)*--"
    ):
        local_server.running("--no-such-option")


def test_a_server_that_does_not_start_shows_no_lines_of_earlier_days(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(tmp_path / "ws"))
    (tmp_path / "ws/server").mkdir(parents=True)
    (tmp_path / "ws/server/server.log").write_text("Traceback of yesterday\n")
    with pytest.raises(local_server.ServerError) as said:
        local_server.running("--no-such-option")
    assert "no-such-option" in str(said.value)
    assert "yesterday" not in str(said.value)


def test_a_server_that_finds_no_room_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(tmp_path / "ws"))
    monkeypatch.setattr(disk, "LEAST_ROOM", 2**70)
    with pytest.raises(local_server.ServerError, match=r"disk of .*ws is full"):
        local_server.running("--no-such-option")


def test_a_server_that_does_not_answer_is_told_with_a_way_out(monkeypatch):
    server = local_server.running()
    monkeypatch.setattr(local_server, "ANSWER_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stuck = replace(server, port=silent.getsockname()[1])
        with pytest.raises(
            local_server.ServerError, match=r"did not answer.*Try again"
        ):
            stuck.admin("POST", "/_kit/reset")


def test_a_paid_api_has_to_be_named(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    assert str(connect("openai").base_url) == "https://api.openai.com/v1/"
    assert str(connect().base_url).startswith("http://127.0.0.1")


def test_azure_and_nebius_take_their_own_variables(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://res.openai.azure.com/")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")
    monkeypatch.setenv("NEBIUS_API_KEY", "nebius-key")
    azure = connect("azure")
    assert str(azure.base_url) == "https://res.openai.azure.com/openai/v1/"
    assert (azure.api_key, connect("nebius").api_key) == ("azure-key", "nebius-key")


@pytest.mark.parametrize("name", ["openai", "nebius", "https://api.example.org/v1"])
def test_a_missing_key_is_told_with_its_variable(name, monkeypatch):
    for variable in ("OPENAI_API_KEY", "NEBIUS_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ValueError, match=r"Set (OPENAI|NEBIUS)_API_KEY"):
        connect(name)


def test_an_unknown_api_is_refused_with_the_choices():
    with pytest.raises(TypeError, match=r"5 is no name of an API\. Use local, openai"):
        connect(5)
    with pytest.raises(ValueError, match="local, openai, azure, nebius"):
        connect("opanai")


@pytest.mark.parametrize(
    ("url", "paid"),
    [
        ("http://127.0.0.1:8000/v1", False),
        ("http://localhost:8000/v1", False),
        ("http://192.168.1.20:8000/v1", False),
        ("https://api.example.org/v1", True),
    ],
)
def test_servers_near_you_are_not_taken_for_paid_ones(url, paid):
    assert find_target(url).paid is paid


def test_the_banner_is_honest_about_model_and_money():
    local = repr(banner("local"))
    assert "tinygpt" in local
    assert "Free" in local
    paid = banner("openai")
    assert "costs money" in repr(paid)
    assert "2027-01-14" in paid._repr_html_()


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("http://192.168.1.9:8765", "http://192.168.1.9:8765/v1/"),
        (" http://192.168.1.9:8765/v1\n", "http://192.168.1.9:8765/v1/"),
        ("http://127.0.0.1:8765/", "http://127.0.0.1:8765/v1/"),
    ],
)
def test_what_is_typed_from_a_handout_may_have_white_space_around_it(
    monkeypatch, target, address
):
    monkeypatch.setenv("FINETUNE_KIT_TARGET", target)
    monkeypatch.setenv("OPENAI_API_KEY", " sk-abc\r\n")
    client = connect()
    assert str(client.base_url) == address
    assert client.api_key == "sk-abc"


@pytest.mark.parametrize(
    "target",
    ["http://192.168.1.999:8765/v1", "http://x:99999/v1", "http://a b/v1", "http://"],
)
def test_what_cannot_be_an_address_is_refused(monkeypatch, target):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abc")
    with pytest.raises(ValueError, match="is no address"):
        connect(target)


def test_a_key_with_quotation_marks_is_refused_by_the_name_of_its_variable(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "\u201csk-abc\u201d")
    with pytest.raises(ValueError, match="OPENAI_API_KEY holds a character"):
        connect("http://127.0.0.1:8765/v1")
