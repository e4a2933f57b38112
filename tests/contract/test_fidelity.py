"""The table of `docs/fidelity.md` is what the server really does."""

import openai

from tests.contract import calls, fidelity, surface, year_2023


def test_the_committed_table_is_what_the_server_does(verdicts):
    committed = fidelity.DOCUMENT.read_text(encoding="utf-8")
    assert committed == fidelity.document(verdicts), (
        "run `python -m tests.contract.fidelity`, and look at what changed"
    )


def test_each_reason_speaks_of_a_call_that_there_is():
    methods = set(surface.methods(openai.OpenAI(api_key="none")))
    subjects = methods | {
        f"{method}({option})"
        for method, options in calls.OPTIONS.items()
        for option in options
    }
    assert set(fidelity.REASONS["approximate"]) <= subjects | set(year_2023.CALLS)


def test_an_unknown_url_is_not_yet_and_an_error_is_refused(scene, monkeypatch):
    wrong = scene.client.with_options(base_url=f"{scene.server.origin}/v1/nowhere")
    monkeypatch.setattr(scene, "end_jobs", lambda: None)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(scene, "client", wrong)
        assert fidelity.verdict(scene, "models.list").level == "not yet"
    audio = fidelity.verdict(scene, "chat.completions.create", "audio")
    assert audio.level == "refused"
    assert audio.note.startswith("400: Invalid value: 'audio'")
