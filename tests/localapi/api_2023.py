"""A client of 2023: what it sends, and the data it trains on."""

from tests.localapi.running import FIRST_KEY, jsonl, until

ENDED = ("succeeded", "failed", "cancelled")


def reviews(count):
    """`count` reviews in turns negative and positive, with the separator of then."""
    words = ("dull", "lovely")
    return [
        {
            "prompt": f"The film {i} was {words[i % 2]}.\n\n###\n\n",
            "completion": (" negative", " positive")[i % 2],
        }
        for i in range(count)
    ]


def told(job):
    """What the events of a fine-tune say."""
    return [event["message"] for event in job["events"]]


def whole_story(job):
    """What they say when it went well, was free, and waited for nobody."""
    n_epochs = job["hyperparams"]["n_epochs"]
    return [
        f"Created fine-tune: {job['id']}",
        "Fine-tune costs $0.00",
        "Fine-tune enqueued. Queue number: 0",
        "Fine-tune started",
        *(f"Completed epoch {n}/{n_epochs}" for n in range(1, n_epochs + 1)),
        f"Uploaded model: {job['fine_tuned_model']}",
        f"Uploaded result file: {job['result_files'][0]['id']}",
        "Fine-tune succeeded",
    ]


class Api:
    """Requests as a client of 2023 sends them, answered as plain JSON."""

    def __init__(self, server, key=FIRST_KEY, multiplier=1):
        self.server, self.client = server, server.client(key)
        self.multiplier = multiplier  # the fake worker dawdles below 1

    def post(self, path="/fine-tunes", **body):
        return self.client.post(path, body=body, cast_to=object)

    def get(self, path):
        return self.client.get(path, cast_to=object)

    def upload(self, rows=None, name="training.jsonl"):
        content = jsonl(reviews(12) if rows is None else rows)
        return self.client.files.create(file=(name, content), purpose="fine-tune").id

    def ended(self, fine_tune_id):
        return until(
            lambda: self.get(f"/fine-tunes/{fine_tune_id}"),
            lambda job: job["status"] in ENDED,
        )

    def tuned(self, rows=None, **body):
        body = {"learning_rate_multiplier": self.multiplier, **body}
        made = self.post(training_file=self.upload(rows), **body)
        return self.ended(made["id"])
