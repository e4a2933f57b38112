"""`finetune-kit class`: keys, hand-outs, what is said, and what is refused."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys

import httpx
import openai
import pytest
from click.testing import CliRunner

from finetune_kit import key_file, local_server
from finetune_kit.classroom import exposure, handouts, roster
from finetune_kit.cli import main
from finetune_kit.key_file import Key
from tests.learner import ROOT, fresh_home

HOME = "FINETUNE_KIT_HOME"


@pytest.fixture(autouse=True)
def home(tmp_path):
    with fresh_home(tmp_path / "ws"):
        yield tmp_path / "ws" / "class"


def names(tmp_path, text="Anna\nBen Müller\n\n# absent: Eve\n"):
    path = tmp_path / "names.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def prepare(*arguments, code=0):
    words = ["class", "--prepare-only", "--learners", *map(str, arguments)]
    result = invoke(words)
    assert result.exit_code == code, result.output
    return result.output


def invoke(words):
    """As a process of its own would: what it sets in the environment ends with it."""
    return CliRunner().invoke(main, words, env={HOME: os.environ[HOME]})


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_everybody_in_the_list_gets_a_key_of_their_own(tmp_path, home):
    said = prepare(names(tmp_path))
    keys = key_file.read(home / "class" / "keys.txt")
    assert [key.name for key in keys] == ["Anna", "Ben Müller"]
    (instructor,) = key_file.read(home / "class" / "instructor-key.txt")
    every = [instructor.value, *(key.value for key in keys)]
    assert len(set(every)) == 3
    for key in every:
        assert re.fullmatch(r"sk(-[a-z2-9]{4}){5}", key)
        assert key not in said


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_keys_and_handouts_are_for_their_owner_alone_and_never_in_git(tmp_path, home):
    prepare(names(tmp_path))
    folder = home / "class"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("keys.txt", "instructor-key.txt", "handouts.html"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert (folder / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_keys_stay_when_the_list_grows_and_go_when_a_name_goes(tmp_path, home):
    prepare(names(tmp_path))
    anna, ben = key_file.read(home / "class" / "keys.txt")
    said = prepare(names(tmp_path, "Zoë\nAnna\n"))
    zoe, again = key_file.read(home / "class" / "keys.txt")
    assert again == anna
    assert zoe.value not in (anna.value, ben.value)
    assert "No longer in the list, so without a valid key: Ben Müller." in said


def test_a_name_that_comes_back_or_gets_a_capital_has_its_key_again(tmp_path, home):
    prepare(names(tmp_path))
    anna, ben = key_file.read(home / "class" / "keys.txt")
    prepare(names(tmp_path, "anna\n"))
    assert key_file.read(home / "class" / "keys.txt") == [anna._replace(name="anna")]
    prepare(names(tmp_path, "Zoë\n"))
    said = prepare(names(tmp_path))
    assert key_file.read(home / "class" / "keys.txt") == [anna, ben]
    assert "without a valid key: Zoë." in said
    former = home / "class" / "former-keys.txt"
    assert stat.S_IMODE(former.stat().st_mode) == 0o600


def test_a_handout_holds_its_learner_s_key_once_and_how_to_connect():
    learners = [Key("sk-one", "Anna <b>"), Key("sk-two", "Ben")]
    page = handouts.pages(learners, "http://192.168.1.20:8765/v1")
    assert page.count("sk-one") == page.count("sk-two") == 1
    first, second = page.split("<section>")[1:]
    assert "sk-one" in first
    assert "sk-two" in second
    for text in (
        "export FINETUNE_KIT_TARGET=http://192.168.1.20:8765/v1",
        '$env:FINETUNE_KIT_TARGET = "http://192.168.1.20:8765/v1"',
        "kit.connect()",
        "NO_PROXY=192.168.1.20",
        "What your instructor sees",
    ):
        assert text in first
    assert "Anna &lt;b&gt;" in first
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "contains no name. Write one name a line"),
        ("\n# nobody\n", "contains no name"),
        ("Anna\nBen\n anna \n", "line 3: “anna” stands already in line 1"),
        ("Anna\n" + "x" * 61, "line 2: a name has at most 60 characters"),
        ("Anna\x07", "an invisible U+0007, which no name has"),
        ("Anna\u200e", "an invisible U+200E LEFT-TO-RIGHT MARK"),
        ("Anna # tutor", "line 1: “Anna # tutor” contains “#”, which no name has"),
        ("Zoë".encode("cp1252"), "is not UTF-8 text. Save it as"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused_with_its_line(
    tmp_path, home, text, said
):
    answer = prepare(names(tmp_path, text), code=1)
    assert said in answer
    assert not (home / "class").exists()


def test_a_list_that_is_not_there_is_told(tmp_path):
    answer = prepare(tmp_path / "absent.txt", code=2)
    assert "absent.txt' does not exist" in answer


def test_a_list_from_windows_with_a_mark_at_its_beginning_is_read(tmp_path):
    path = names(tmp_path, b"\xef\xbb\xbfAnna\r\n  Ben \xc2\xa0 Li\r\n")
    assert roster.read_names(path) == ["Anna", "Ben Li"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_list_from_powershell_or_excel_is_read(tmp_path, encoding):
    text = "\ufeff" * (encoding == "utf-16-be") + "Anna\r\nBen Müller\r\n"
    path = names(tmp_path, text.encode(encoding))
    assert roster.read_names(path) == ["Anna", "Ben Müller"]


def test_invisible_joiners_are_part_of_names(tmp_path):
    spelt = ["Ali\u200creza", "👩\u200d🏫 Eva"]
    assert roster.read_names(names(tmp_path, "\n".join(spelt))) == spelt


class Offline(socket.socket):
    """A network without a way out: only some addresses can be reached."""

    reachable = ()

    def connect(self, address):
        if not address[0].startswith(self.reachable or "nowhere"):
            raise OSError(101, "Network is unreachable")
        super().connect(("127.0.0.1", 9))

    def getsockname(self):
        return ("192.168.50.1", 9)


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(socket, "socket", Offline)
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_: [(0, 0, 0, "", ("127.0.1.1", 0))]
    )
    monkeypatch.setattr(Offline, "reachable", ())


@pytest.mark.usefixtures("offline")
def test_a_room_without_a_way_out_has_an_address_too(monkeypatch):
    monkeypatch.setattr(Offline, "reachable", "192.168.")
    assert exposure.address("0.0.0.0") == "192.168.50.1"


@pytest.mark.usefixtures("offline")
def test_handouts_never_name_loopback_to_other_computers(tmp_path, home):
    said = prepare(names(tmp_path), "--host", "0.0.0.0", code=1)
    assert "--host 192.168.1.10" in said
    assert not (home / "class").exists()


def test_an_address_in_use_is_told_before_anything_is_written(tmp_path, home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = ["class", "--learners", str(names(tmp_path)), "--port", str(port)]
        result = invoke(words)
    assert result.exit_code == 1
    assert f"Cannot listen on 127.0.0.1, port {port}" in result.output
    assert "--port" in result.output
    assert not (home / "class").exists()


def test_an_address_of_another_computer_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="--host takes an address of this computer"):
        exposure.refuse_taken("192.0.2.77", free_port())


def test_what_is_exposed_is_said_and_loopback_is_the_default(tmp_path):
    alone = exposure.told("127.0.0.1", 8765, tmp_path)
    assert alone.startswith("Only programs on this computer reach it")
    assert "--host 0.0.0.0" in alone
    open_to_all = exposure.told("192.168.1.20", 8765, tmp_path)
    for said in (
        "Every computer that can reach 192.168.1.20, port 8765",
        "with a learner's key",
        "without a key",
        "Not reachable: your other files",
        "plain http",
    ):
        assert said in open_to_all


def test_a_class_is_served_and_each_key_is_its_own_user(tmp_path, home):
    port = free_port()
    command = [sys.executable, "-m", "finetune_kit.cli", "class"]
    command += ["--learners", str(names(tmp_path)), "--port", str(port)]
    started = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8"
    )
    try:
        said = []
        for line in started.stdout:
            said.append(line)
            if line.startswith("its key is in"):
                break
        text = "".join(said)
        assert "Only programs on this computer reach it (127.0.0.1)" in text
        assert f"listens on http://127.0.0.1:{port}/v1" in text
        anna, ben = [
            openai.OpenAI(
                base_url=f"http://127.0.0.1:{port}/v1", api_key=key.value, timeout=60
            )
            for key in key_file.read(home / "class" / "keys.txt")
        ]
        file = anna.files.create(file=("a.jsonl", b"{}\n"), purpose="fine-tune")
        assert ben.files.list().data == []
        page = httpx.get(f"http://127.0.0.1:{port}/class", trust_env=False, timeout=60)
        assert "Instructor's key" in page.text
        again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert again.returncode == 1
        assert "A server runs on" in again.stderr
        said = prepare(names(tmp_path, "Anna\nNew\n"))
        assert "Until you stop it and start the class again" in said
        reset = ["reset", "-y", "--learner", "Anna", "--home", str(home)]
        result = invoke(reset)
        assert (result.exit_code, "Anna starts anew" in result.output) == (0, True)
        with pytest.raises(openai.NotFoundError):
            anna.files.retrieve(file.id)
        result = invoke([*reset[:3], "Eve", *reset[4:]])
        assert result.exit_code == 1
        assert "No learner is called 'Eve'" in result.output
    finally:
        os.environ[HOME] = str(home)
        if server := local_server.find():
            local_server.stop(server)
        started.send_signal(signal.SIGTERM)
        started.communicate(timeout=60)


@pytest.mark.parametrize("name", ["", "  "])
def test_a_reset_of_nobody_is_not_one_of_everybody(tmp_path, name):
    result = invoke(["reset", "-y", "--learner", name, "--home", str(tmp_path)])
    assert result.exit_code == 2
    assert "--learner: it is empty" in result.output


def test_a_reset_leaves_no_server_behind_where_none_was(tmp_path):
    result = invoke(["reset", "-y", "--home", str(tmp_path)])
    assert (result.exit_code, "workspace is empty" in result.output) == (0, True)
    result = invoke(["status", "--home", str(tmp_path)])
    assert "does not run" in result.output


def test_a_learner_of_a_class_that_is_not_served_cannot_be_reset(tmp_path):
    words = ["reset", "-y", "--learner", "Anna", "--home", str(tmp_path / "none")]
    result = invoke(words)
    assert result.exit_code == 1
    assert "Start the class first" in result.output
