"""The one description of what can be tuned, and the file that chooses."""

import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from wesadlib.errors import InputError
from wesadlib.serving.configuration import Replicas, find_file, make_configuration, read_configuration
from wesadlib.serving.old_settings import Arguments, Live, Settings, Start, UserConfig


@pytest.fixture
def file(repository):
    return repository / "params" / "serve.yaml"


@pytest.fixture
def changed(file, tmp_path):
    """Write the file with one value changed."""

    def change(place, value):
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        *above, name = place
        part = values
        for key in above:
            part = part[key]
        part[name] = value
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        return path

    return change


ARGUMENTS = ("applications", 0, "args")
USER_CONFIG = ("applications", 0, "deployments", 0, "user_config")


def test_every_setting_has_a_meaning_a_group_and_bounds():
    for name, field in Settings.model_json_schema()["properties"].items():
        assert field["description"] and field["group"], name
        if field["type"] in ("integer", "number"):
            assert {"minimum", "exclusiveMinimum"} & set(field), name
    assert set(Settings.model_fields) == set(Start.model_fields) | set(Live.model_fields)
    assert not set(Start.model_fields) & set(Live.model_fields)


def test_the_file_names_every_setting_where_it_belongs_and_has_the_defaults(file):
    (application,) = yaml.safe_load(file.read_text(encoding="utf-8"))["applications"]
    assert set(application["args"]) == set(Arguments.model_fields)
    (deployment,) = application["deployments"]
    assert set(deployment["user_config"]) == set(UserConfig.model_fields)
    assert read_configuration(file).settings == Settings()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_rays_own_tools_take_the_file_and_read_the_same_from_it(file):
    from ray.serve.schema import ServeDeploySchema

    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    taken = ServeDeploySchema.model_validate(values)
    (application,) = taken.applications
    (deployment,) = application.deployments
    ours = read_configuration(file)
    assert (taken.http_options.host, taken.http_options.port) == (ours.http.host, ours.http.port)
    assert Arguments(**application.args) == ours.arguments
    assert UserConfig(**deployment.user_config) == ours.replicas.user_config
    # Written out, so that both start replicas alike.
    options = ours.replicas.options()
    written = deployment.model_dump(exclude_unset=True)
    assert {name: written[name] for name in options if name in written} == {
        name: value for name, value in options.items() if name in written
    }
    assert {"max_surge_percent", "ray_actor_options"} <= set(written)
    # Ray takes unknown names without a word; here each is one that it knows.
    assert set(values) <= set(ServeDeploySchema.model_fields)
    assert set(Replicas.model_fields) <= set(type(deployment).model_fields)


def test_rays_limit_lies_above_the_apps_own(file):
    for configuration in (read_configuration(file), make_configuration("b", {"max_streams": 5000})):
        live = configuration.replicas.user_config
        assert configuration.replicas.options()["max_ongoing_requests"] > live.max_connections + live.max_streams


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ((*ARGUMENTS, "thread"), 1, "`applications.0.args.thread` is unknown here; did you mean `threads`?"),
        ((*ARGUMENTS, "grace_s"), 3, "`applications.0.args.grace_s` is unknown here; it belongs under `user_config`."),
        ((*USER_CONFIG, "threads"), 1, "it belongs under `args`."),
        ((*USER_CONFIG, "grace_s"), "3", "`applications.0.deployments.0.user_config.grace_s`: input should be a valid"),
        ((*USER_CONFIG, "max_streams"), 0, "greater than or equal to 1, not '0'."),
        ((*USER_CONFIG, "max_streams"), True, "`applications.0.deployments.0.user_config.max_streams`: input should"),
        ((*USER_CONFIG, "lag_s"), float("nan"), "finite number"),
        ((*ARGUMENTS, "token_variable"), "a secret!", "token_variable"),
        (("http_options", "port"), 0, "`http_options.port`"),
        (("http_options", "hots"), "127.0.0.1", "`http_options.hots` is unknown here"),
        (("applications",), [], "`applications`: list should have at least 1 item"),
        (("applications", 0, "import_path"), "os:system", "'wesadlib.serving.deployment:build'"),
        (("applications", 0, "deployments", 0, "num_replica"), 2, "did you mean `num_replicas`?"),
    ],
)
def test_a_slip_in_the_file_is_one_sentence_with_file_and_field(changed, place, value, told):
    path = changed(place, value)
    with pytest.raises(InputError) as caught:
        read_configuration(path)
    assert str(caught.value).startswith(f"{path}: ") and told in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_bundle_is_told(file, tmp_path):
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    del values["applications"][0]["args"]["bundle"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(InputError, match=r"`applications\.0\.args\.bundle` is missing\."):
        read_configuration(tmp_path / "mine.yaml")
    with pytest.raises(InputError, match="which bundle to serve is not said"):
        read_configuration(None)


@pytest.mark.parametrize(
    ("text", "told"), [("a: [", "not readable as YAML"), ("", "valid dictionary"), ("- a", "dict")]
)
def test_what_is_no_configuration_is_told(tmp_path, text, told):
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=told):
        read_configuration(tmp_path / "mine.yaml")
    with pytest.raises(InputError, match=r"absent\.yaml: not a readable file"):
        read_configuration(tmp_path / "absent.yaml")


def test_the_command_line_wins_over_the_file(changed):
    path = changed((*USER_CONFIG, "bundle"), "another")
    assert read_configuration(path).bundle == "another"
    given = read_configuration(path, Path("mine"), "::1", 8001, "MY_TOKEN")
    assert (given.bundle, given.http.host, given.http.port) == ("mine", "::1", 8001)
    assert given.settings == Settings(token_variable="MY_TOKEN")
    with pytest.raises(InputError, match=r"^the command line: `token_variable`"):
        read_configuration(path, token_variable="not a name")


def test_settings_without_a_file_are_checked_as_strictly():
    configuration = make_configuration("b", {"grace_s": 3, "threads": 2})
    assert configuration.settings == Settings(grace_s=3.0, threads=2)
    for wrong in ({"grace": 3}, {"grace_s": "3"}, {"bundle": "c"}):
        with pytest.raises(InputError, match=rf"^settings: `{next(iter(wrong))}`"):
            make_configuration("b", wrong)
    with pytest.raises(ValidationError):
        configuration.settings.grace_s = 4


def test_a_configuration_survives_the_way_to_the_servers_process(file):
    configuration = read_configuration(file)
    line = configuration.model_dump_json()
    assert "\n" not in line and json.loads(line)
    assert type(configuration).model_validate_json(line) == configuration


def test_the_checkouts_own_file_is_found_from_below_and_nothing_elsewhere(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(repository / "book")
    assert find_file() == repository / "params" / "serve.yaml"
    monkeypatch.chdir(tmp_path)
    assert find_file() is None
