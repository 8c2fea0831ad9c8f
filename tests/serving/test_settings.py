"""The one description of what can be tuned, and the file that chooses."""

import re
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from wesadlib.bundle import default_bundle
from wesadlib.errors import InputError
from wesadlib.serving.settings import (
    Configuration,
    Settings,
    find_file,
    is_loopback,
    make_configuration,
    read_configuration,
    read_secret,
    require_safe,
)

ARGUMENTS, DEPLOYMENT = ("applications", 0, "args"), ("applications", 0, "deployments", 0)


@pytest.fixture
def file(repository):
    return repository / "params" / "serve.yaml"


def test_the_file_explains_every_setting_and_has_the_defaults(file):
    text = file.read_text(encoding="utf-8")
    (application,) = yaml.safe_load(text)["applications"]
    assert set(application["args"]) == set(Settings.model_fields)
    for name, field in Settings.model_json_schema()["properties"].items():
        assert re.search(rf"^      {name}: .* # .", text, re.MULTILINE), name
        assert field["type"] not in ("integer", "number") or {"minimum", "exclusiveMinimum"} & set(field), name
    assert read_configuration(file).settings == read_configuration(None).settings == Settings()


def test_what_is_served_without_a_word_is_the_packages_own_bundle(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_configuration(file).settings.folder == default_bundle()
    assert Settings(bundle="mine").folder == tmp_path / "mine"


@pytest.mark.parametrize("name", ["params/serve.yaml", "deploy/kuberay.yaml"])
def test_what_is_in_the_files_serve_would_be_given_without_them(repository, tmp_path, monkeypatch, name):
    monkeypatch.setenv("WESAD_REST_KEY", "0123456789abcdef")
    path, num_replicas = repository / name, 2
    if name.startswith("deploy"):
        (manifest,) = yaml.safe_load_all(path.read_text(encoding="utf-8"))
        path = tmp_path / "serve.yaml"
        path.write_text(manifest["spec"]["serveConfigV2"], encoding="utf-8")
    configuration = read_configuration(path)
    from wesadlib.serving.deployment import deploy

    defaults = deploy(configuration.settings, {})._bound_deployment
    given = deploy(configuration.settings, configuration.deployment)._bound_deployment
    assert (given.max_ongoing_requests, given.num_replicas) == (defaults.max_ongoing_requests, num_replicas)
    assert given._deployment_config.health_check_period_s == defaults._deployment_config.health_check_period_s
    assert given.max_ongoing_requests > configuration.settings.max_streams


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((*ARGUMENTS, "thread"), 2, "`applications.0.args.thread` is unknown here; did you mean `threads`?"),
        ((*ARGUMENTS, "engine"), "eager", "`applications.0.args.engine` is unknown here; the settings are listed in"),
        ((*ARGUMENTS, "rest_age_h"), "3", "`applications.0.args.rest_age_h`: input should be a valid number, not '3'."),
        ((*ARGUMENTS, "max_streams"), 0, "greater than or equal to 1, not '0'."),
        ((*ARGUMENTS, "max_streams"), True, "`applications.0.args.max_streams`: input should be a valid integer"),
        ((*ARGUMENTS, "rest_age_h"), float("nan"), "finite number"),
        ((*ARGUMENTS, "token_variable"), "a secret!", "`applications.0.args.token_variable`"),
        (("applications", 0), {}, "`applications.0.import_path`: field required"),
        (("http_options", "port"), 0, "`http_options.port`: a port is 1 to 65535."),
        (("http_options", "hots"), "127.0.0.1", "`http_options.hots` is unknown here; did you mean `host`?"),
        (("http_options", "request_timeout_s"), 5.0, "`http_options.request_timeout_s`"),
        (("applications",), [], "it takes one application"),
        (("applications", 0, "import_path"), "os:system", "`wesadlib.serving.deployment:build`"),
        (("applications", 0, "route_prefix"), "/a", "`applications.0.route_prefix`"),
        ((*DEPLOYMENT, "name"), "Serve", "with one deployment, `Server`."),
        ((*DEPLOYMENT, "num_replica"), 2, "did you mean `num_replicas`?"),
        ((*DEPLOYMENT, "num_replicas"), 0, "num_replicas"),
        ((*DEPLOYMENT, "user_config"), {"threads": 3}, "`applications.0.deployments.0.user_config`"),
    ],
)
def test_a_slip_in_the_file_is_one_sentence_with_file_and_field(file, tmp_path, place, value, message):
    values, path = yaml.safe_load(file.read_text(encoding="utf-8")), tmp_path / "mine.yaml"
    *above, name = place
    reduce(getitem, above, values)[name] = value
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_configuration(path)
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", "not readable as YAML"), ("", "`the file`"), ("- a", "`the file`"), (None, "absent")]
)
def test_what_is_no_configuration_is_refused(tmp_path, text, message):
    path = tmp_path / "absent.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_configuration(path)


def test_the_command_line_wins_over_the_file(file):
    given = read_configuration(file, "::1", 8001, bundle="mine", token_variable="MY_TOKEN")
    assert given.settings == Settings(bundle="mine", token_variable="MY_TOKEN")
    assert (given.url, given.deployment["num_replicas"]) == ("http://[::1]:8001", 2)
    # On its way to the server's process it stays what it is.
    assert Configuration.model_validate_json(given.model_dump_json()) == given
    with pytest.raises(InputError, match=r"^the command line: `token_variable`"):
        read_configuration(file, token_variable="not a name")


def test_settings_without_a_file_are_checked_as_strictly():
    configuration = make_configuration({"bundle": "b", "rest_age_h": 3, "threads": 2}, host="0.0.0.0")
    assert configuration.settings == Settings(bundle="b", rest_age_h=3.0, threads=2)
    assert configuration.url == "http://127.0.0.1:8000"
    for wrong in ({"thread": 3}, {"threads": "3"}):
        with pytest.raises(InputError, match=rf"^settings: `{next(iter(wrong))}`"):
            make_configuration({"bundle": "b"} | wrong)
    with pytest.raises(ValidationError):
        configuration.settings.threads = 4


def test_the_checkouts_own_file_is_found_from_below_and_nothing_elsewhere(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(repository / "book")
    assert find_file() == Path(repository) / "params" / "serve.yaml"
    monkeypatch.chdir(tmp_path)
    assert find_file() is None


@pytest.mark.parametrize("secret", ["", "short", "0123456789 with spaces", "x" * 513])
def test_a_variable_that_is_named_and_holds_no_secret_is_refused_and_not_shown(secret):
    assert read_secret("", {}) is None
    assert read_secret("V", {"V": "0123456789abcdef"}) == "0123456789abcdef"
    with pytest.raises(InputError, match=r"^V is named") as caught:
        read_secret("V", {"V": secret})
    assert not secret or secret not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.9.1", "localhost", "::1")),
        *((host, False) for host in ("0.0.0.0", "::", "192.0.2.1", "example.org", "")),
    ],
)
def test_beyond_loopback_a_token_is_needed(host, loopback, monkeypatch):
    assert is_loopback(host) is loopback
    monkeypatch.setenv("V", "0123456789abcdef")
    require_safe(host, Settings(bundle="b", token_variable="V"))
    if loopback:
        require_safe(host, Settings(bundle="b"))
    else:
        with pytest.raises(InputError, match="without a token the server listens on loopback"):
            require_safe(host, Settings(bundle="b"))
    with pytest.raises(InputError, match=r"^W is named"):
        require_safe(host, Settings(bundle="b", token_variable="V", rest_key_variable="W"))
