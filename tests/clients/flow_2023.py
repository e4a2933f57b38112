"""The flow of 2023 by module calls of openai 0.28: `python flow_2023.py FILE`.

Plain asserts and nothing of this project; OPENAI_API_BASE and OPENAI_API_KEY point it
at the server. The last line of output says which openai it was.
"""

import sys
from pathlib import Path

import openai
from openai.version import VERSION


def walk(path):
    with Path(path).open("rb") as rows:
        file = openai.File.create(file=rows, purpose="fine-tune")
    assert file.purpose == "fine-tune"
    made = openai.FineTune.create(
        training_file=file.id, model="ada", n_epochs=2, suffix="flow"
    )
    assert made.status == "pending"
    assert made.hyperparams.batch_size is None
    told = [event.message for event in openai.FineTune.stream_events(made.id)]
    assert told[0] == f"Created fine-tune: {made.id}"
    assert told[-1] == "Fine-tune succeeded"
    again = [event.message for event in openai.FineTune.stream_events(made.id)]
    assert again == told
    job = openai.FineTune.retrieve(made.id)
    assert job.status == "succeeded"
    assert [event.message for event in job.events] == told
    assert openai.FineTune.list_events(made.id).data == job.events
    assert made.id in [each.id for each in openai.FineTune.list().data]
    table = openai.File.download(job.result_files[0].id).decode("utf-8")
    assert table.startswith("step,elapsed_tokens,")
    complete(job.fine_tuned_model)
    cancel(file.id)
    refusals()
    jobs(file.id)
    assert openai.Model.delete(job.fine_tuned_model).deleted is True
    assert openai.File.delete(file.id).deleted is True


def complete(model):
    said = openai.Completion.create(
        model=model, prompt="Film 3 ->", max_tokens=3, logprobs=2, temperature=0
    )
    choice = said.choices[0]
    assert said.object == "text_completion"
    assert len(choice.logprobs.tokens) == len(choice.logprobs.token_logprobs)
    parts = openai.Completion.create(
        model=model, prompt="Film 3 ->", max_tokens=3, temperature=0, stream=True
    )
    assert "".join(part.choices[0].text for part in parts) == choice.text
    echoed = openai.Completion.create(
        model=model, prompt="Film 3 ->", max_tokens=3, temperature=0, echo=True
    )
    assert echoed.choices[0].text == "Film 3 ->" + choice.text


def cancel(file_id):
    job = openai.FineTune.create(training_file=file_id, n_epochs=100)
    assert job.model == "curie"
    assert openai.FineTune.cancel(job.id).status == "cancelled"
    told = [event.message for event in openai.FineTune.stream_events(job.id)]
    assert told[-1] == "Fine-tune cancelled"


def refusals():
    for call in (
        lambda: openai.FineTune.retrieve("ft-none"),
        lambda: openai.FineTune.create(training_file="file-none"),
        lambda: openai.Completion.create(model="gpt-4o-mini", prompt="x"),
    ):
        error = None
        try:
            call()
        except openai.error.InvalidRequestError as raised:
            error = raised.json_body["error"]
        assert error is not None, "not refused"
        assert error["type"] == "invalid_request_error"


def jobs(file_id):
    """0.28 already knew the API that came after."""
    job = openai.FineTuningJob.create(training_file=file_id, model="babbage-002")
    assert job.id.startswith("ftjob-")
    assert openai.FineTuningJob.cancel(job.id).status == "cancelled"
    said = openai.ChatCompletion.create(
        model="gpt-3.5-turbo", messages=[{"role": "user", "content": "Hello"}]
    )
    assert said.choices[0].message.content


walk(sys.argv[1])
print(f"the flow of 2023 works with openai {VERSION}")
