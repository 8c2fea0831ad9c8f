"""A client that a generator makes from /openapi.json alone does what the README's example does."""

import importlib
import json
import subprocess
import sys

import pytest

from wesadlib.serving.wire import write_window


@pytest.fixture(scope="module")
def generated(client, tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(client.get("/openapi.json").text)
    command = ["-m", "openapi_python_client", "generate", "--path", "openapi.json", "--output-path", "made_client"]
    subprocess.run([sys.executable, *command, "--meta", "none"], cwd=folder, check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("made_client")


@pytest.fixture
def connection(generated, client):
    return generated.Client(base_url=str(client.base_url)).set_httpx_client(client)


def call(name, **arguments):
    return importlib.import_module(f"made_client.api.default.{name}").sync_detailed(**arguments)


def test_it_asks_for_a_window_and_reads_the_answer(generated, connection, client, bundle):
    body = write_window(*bundle.example().windows(60, 60)[0], "json")
    models = importlib.import_module("made_client.models")
    answer = call("predict", client=connection, body=models.Window.from_dict(json.loads(body))).parsed
    expected = client.post("/predict", content=body, headers={"content-type": "application/json"}).json()
    assert isinstance(answer, models.Answer) and answer.to_dict() == expected


def test_it_reads_what_is_wrong_by_name_and_how_the_server_is(generated, connection):
    models = importlib.import_module("made_client.models")
    wrong = models.Window.from_dict({"channels": {"wrist_nothing": {"rate_hz": 4.0, "samples": [1.0] * 240}}})
    answer = call("predict", client=connection, body=wrong)
    assert answer.status_code == 422 and isinstance(answer.parsed, models.Problem)
    assert "wrist_bvp" in json.dumps(answer.parsed.to_dict())
    assert call("ready", client=connection).status_code == 200
    assert call("model", client=connection).parsed.to_dict()["channels"]
