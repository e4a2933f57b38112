"""Every refusal in the service's envelope, with its words, `param` and `code`."""

import http.client
import json

import pytest

from tests.localapi.running import FIRST_KEY, upload


@pytest.fixture(scope="module")
def call(server):
    """Send a raw request; (status, error, headers)."""

    def send(method, path, body=None, headers=None, key=FIRST_KEY):
        port = server.info["port"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        sent = {"Authorization": f"Bearer {key}"} if key else {}
        if isinstance(body, dict | list):
            body, sent["Content-Type"] = json.dumps(body), "application/json"
        connection.request(method, path, body, sent | (headers or {}))
        reply = connection.getresponse()
        document = json.loads(reply.read())
        connection.close()
        assert document.keys() == {"error"}
        assert document["error"].keys() == {"message", "type", "param", "code"}
        return reply.status, document["error"], reply.headers

    return send


def test_a_missing_key_is_told_where_to_find_one(call):
    status, error, _ = call("GET", "/v1/models", key=None)
    assert status == 401
    assert error["message"].startswith("You didn't provide an API key.")
    assert (error["type"], error["code"]) == ("invalid_request_error", None)


@pytest.mark.parametrize(
    "given",
    ["Basic \xff==", "Basic AAA", "Basic /w==", "Bearer", "Digest x", "Basic"],
)
def test_an_unreadable_authorization_is_as_good_as_none(call, given):
    headers = {"Authorization": given}
    status, error, _ = call("GET", "/v1/models", headers=headers, key=None)
    assert (status, error["code"]) == (401, None)


def test_a_wrong_key_is_shown_masked(call):
    status, error, _ = call("GET", "/v1/models", key="sk-proj-1234567890abcdef")
    assert (status, error["code"]) == (401, "invalid_api_key")
    assert error["message"].startswith("Incorrect API key provided: sk-pro***def.")


def test_an_unknown_url_and_a_wrong_method_are_named(call):
    status, error, _ = call("GET", "/v1/foo")
    assert (status, error["message"]) == (404, "Invalid URL (GET /v1/foo)")
    for path in ("/v1/fine-tuning/jobs", "/v1/fine_tunes"):
        _, error, _ = call("GET", path)
        right = path.translate(str.maketrans("-_", "_-"))
        assert f"(HINT: Perhaps you meant {right}?)" in error["message"]
    status, error, headers = call("PUT", "/v1/files")
    assert (status, error["code"]) == (405, "method_not_supported")
    assert error["message"].startswith("Not allowed to PUT on /v1/files.")
    assert "POST" in headers["allow"]


def test_every_reply_can_be_traced(call):
    _, _, headers = call("GET", "/v1/files/file-none")
    assert headers["x-request-id"].startswith("req_")
    assert headers["openai-version"] == "2020-10-01"
    assert headers["openai-organization"] == "personal"
    assert headers["openai-processing-ms"].isdigit()
    assert headers["x-finetune-kit-engine"].startswith("tinygpt")


@pytest.mark.parametrize(
    ("method", "path", "status", "message", "param", "code"),
    [
        (
            "GET",
            "/v1/files/file-abc123",
            404,
            "No such File object: file-abc123",
            "id",
            None,
        ),
        (
            "GET",
            "/v1/fine_tuning/jobs/ftjob-nope",
            404,
            "Could not find fine tune: ftjob-nope",
            "fine_tune_id",
            "fine_tune_not_found",
        ),
        (
            "POST",
            "/v1/fine_tuning/jobs/ftjob-nope/cancel",
            404,
            "Could not find fine tune: ftjob-nope",
            "fine_tune_id",
            "fine_tune_not_found",
        ),
        (
            "GET",
            "/v1/models/ft:gpt-4o:me::abc:ckpt-step-10",
            404,
            "The model 'ft:gpt-4o:me::abc:ckpt-step-10' does not exist",
            "model",
            "model_not_found",
        ),
        (
            "GET",
            "/v1/fine_tuning/jobs?limit=0",
            400,
            "Invalid 'limit': integer below minimum value. "
            "Expected a value >= 1, but got 0 instead.",
            "limit",
            "integer_below_min_value",
        ),
        (
            "GET",
            "/v1/files?limit=1_0",
            400,
            "Invalid type for 'limit': expected an integer, but got a string instead.",
            "limit",
            "invalid_type",
        ),
        (
            "GET",
            "/v1/fine_tuning/jobs?" + "&".join(f"metadata[{n}]=x" for n in range(1500)),
            400,
            "Invalid 'metadata': too many properties. Expected an object with at most "
            "16 properties, but got 1500 instead.",
            "metadata",
            "object_above_max_properties",
        ),
        (
            "GET",
            "/v1/files?limit=many",
            400,
            "Invalid type for 'limit': expected an integer, but got a string instead.",
            "limit",
            "invalid_type",
        ),
    ],
)
def test_what_is_not_there_is_named(call, method, path, status, message, param, code):
    got, error, _ = call(method, path)
    assert (got, error["message"]) == (status, message)
    assert (error["param"], error["code"]) == (param, code)


MODEL = "gpt-4o-mini-2024-07-18"
TOP = "hyperparameters"
NESTED = "method.supervised.hyperparameters"


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"model": None}, "model", "invalid_type"),
        ({"model": "gpt-9"}, "model", "model_not_available"),
        ({"model": "o4-mini-2025-04-16"}, "model", "model_not_available"),
        ({"foo": 1}, "foo", "unknown_parameter"),
        ({"seed": "12"}, "seed", "invalid_type"),
        ({"seed": True}, "seed", "invalid_type"),
        ({"seed": 2**31}, "seed", "integer_above_max_value"),
        ({"seed": -1}, "seed", "integer_below_min_value"),
        ({"suffix": ""}, "suffix", "string_below_min_length"),
        ({"suffix": "x" * 65}, "suffix", "string_above_max_length"),
        ({TOP: {"n_epochs": 51}}, f"{TOP}.n_epochs", "integer_above_max_value"),
        ({TOP: {"n_epochs": 0}}, f"{TOP}.n_epochs", "integer_below_min_value"),
        ({TOP: {"n_epochs": "3"}}, f"{TOP}.n_epochs", "invalid_value"),
        ({TOP: {"n_epochs": 2.5}}, f"{TOP}.n_epochs", "invalid_type"),
        ({TOP: {"batch_size": 257}}, f"{TOP}.batch_size", "integer_above_max_value"),
        (
            {TOP: {"learning_rate_multiplier": 0}},
            f"{TOP}.learning_rate_multiplier",
            "decimal_below_min_value",
        ),
        ({TOP: {"epochs": 3}}, f"{TOP}.epochs", "unknown_parameter"),
        ({TOP: []}, TOP, "invalid_type"),
        ({"method": {}}, "method.type", "missing_required_parameter"),
        ({"method": {"type": "sft"}}, "method.type", "invalid_value"),
        ({"method": {"type": "dpo", "sft": {}}}, "method.sft", "unknown_parameter"),
        (
            {"method": {"type": "supervised", "dpo": {}}},
            "method.dpo",
            "unknown_parameter",
        ),
        (
            {
                "method": {
                    "type": "supervised",
                    "supervised": {"hyperparameters": {"batch_size": 0}},
                }
            },
            f"{NESTED}.batch_size",
            "integer_below_min_value",
        ),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        (
            {"metadata": {str(n): "" for n in range(17)}},
            "metadata",
            "object_above_max_properties",
        ),
        ({"metadata": {"k" * 65: ""}}, "metadata", "string_above_max_length"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k", "string_above_max_length"),
        (
            {"integrations": [{"type": "wandb", "wandb": {"project": ""}}]},
            "integrations[0].wandb.project",
            "string_below_min_length",
        ),
        (
            {"integrations": [{"type": "wandb", "wandb": {}}]},
            "integrations[0].wandb.project",
            "missing_required_parameter",
        ),
        ({"training_file": "file-none"}, "training_file", None),
        ({"validation_file": "file-none"}, "validation_file", None),
    ],
)
def test_a_job_with_a_faulty_field_is_refused_and_names_it(
    call, client, change, param, code
):
    data = client.files.list(purpose="fine-tune", limit=1).data
    body = {"model": MODEL, "training_file": data[0].id if data else upload(client)}
    status, error, _ = call("POST", "/v1/fine_tuning/jobs", body | change)
    assert status == 400
    assert (error["param"], error["code"]) == (param, code)
    assert error["message"]


def test_the_messages_of_field_errors_are_the_service_s(call):
    def message(body):
        return call("POST", "/v1/fine_tuning/jobs", body)[1]["message"]

    assert message({"model": MODEL}) == "Missing required parameter: 'training_file'."
    valid = {"model": MODEL, "training_file": "file-1"}
    assert message(valid | {"foo": 1}) == "Unknown parameter: 'foo'."
    assert message(valid | {"seed": "1"}) == (
        "Invalid type for 'seed': expected an integer, but got a string instead."
    )
    assert message(valid | {"method": {"type": "sft"}}) == (
        "Invalid value: 'sft'. Supported values are: "
        "'supervised', 'dpo', 'reinforcement'."
    )
    assert message(valid | {"hyperparameters": {"n_epochs": 99}}) == (
        "Invalid 'hyperparameters.n_epochs': integer above maximum value. "
        "Expected a value <= 50, but got 99 instead."
    )


def test_a_file_of_another_purpose_is_not_for_training(call, client):
    data = upload(client, name="x.txt", purpose="user_data")
    body = {"model": MODEL, "training_file": data}
    status, error, _ = call("POST", "/v1/fine_tuning/jobs", body)
    assert (status, error["param"]) == (400, "training_file")
    assert (
        "has purpose 'user_data' but must have purpose 'fine-tune'" in error["message"]
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"model": NaN}',
        b"[" * 100_000,
        b"1" * 6_000,
        b'{"model": "\\ud800", "training_file": "x"}',
    ],
)
def test_what_is_no_json_is_a_400(call, body):
    status, error, _ = call("POST", "/v1/fine_tuning/jobs", body)
    assert status == 400
    assert error["message"].startswith("We could not parse the JSON body")


def test_a_json_body_must_be_an_object_and_of_reasonable_size(call):
    assert call("POST", "/v1/fine_tuning/jobs", [])[1]["code"] == "invalid_type"
    status, error, _ = call("POST", "/v1/fine_tuning/jobs", b" " * (9 * 2**20))
    assert (status, error["code"]) == (413, "request_too_large")


def test_an_upload_without_its_parts_is_told_which(call):
    boundary = "x" * 8
    form = {"Content-Type": f"multipart/form-data; boundary={boundary}"}

    def upload_of(*parts):
        body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
        return call("POST", "/v1/files", f"{body}--{boundary}--\r\n", form)[:2]

    field = 'Content-Disposition: form-data; name="{}"\r\n\r\n{}'
    file = 'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}'
    purpose = field.format("purpose", "fine-tune")
    status, error = upload_of(purpose)
    assert (status, error["message"]) == (400, "'file' is a required property")
    status, error = upload_of(file)
    assert (status, error["message"]) == (400, "'purpose' is a required property")
    status, error = upload_of(file, purpose, field.format("colour", "blue"))
    assert (status, error["param"]) == (400, "colour")
    assert call("POST", "/v1/files", {"purpose": "fine-tune"})[0] == 400
    assert call("POST", "/v1/files", b"garbage", form)[0] == 400
    no_boundary = {"Content-Type": "multipart/form-data"}
    assert call("POST", "/v1/files", b"", no_boundary)[0] == 400


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "punycode", "undefined"])
def test_a_form_in_another_encoding_is_refused(call, charset):
    kind = f"multipart/form-data; charset={charset}; boundary=x"
    name = 'Content-Disposition: form-data; name="file"; filename="a+2AA-.jsonl"'
    body = f"--x\r\n{name}\r\n\r\n{{}}\r\n--x--\r\n"
    for path in ("/v1/files", "/v1/uploads/upload_none/parts"):
        status, error, _ = call("POST", path, body, {"Content-Type": kind})
        assert status in (400, 404)
        assert "UTF-8" in error["message"] or path != "/v1/files"


def test_administration_needs_the_workspace_s_own_key(call):
    assert call("POST", "/_kit/reset")[0] == 403
    assert call("POST", "/_kit/stop", key=None)[0] == 401
