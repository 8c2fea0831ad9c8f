import pytest
import yaml

from wesadlib.errors import InputError
from wesadlib.params import Params, chapter_params, chapter_values, read_params


def write(tmp_path, text):
    path = tmp_path / "profile.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_profile_names_only_what_differs_and_the_rest_is_default(tmp_path):
    params = read_params(write(tmp_path, "run: mine\nwidth: 8\n"))
    assert params.width == 8
    assert params.model_dump(exclude={"run", "width"}) == Params().model_dump(exclude={"run", "width"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("widht: 8", "unknown parameter `widht`; did you mean `width`?"),
        ("width: '8'", "parameter `width`"),
        ("width: 1", "parameter `width`"),
        ("device: ankle", "'chest' or 'wrist'"),
        ("min_purity: .nan", "parameter `min_purity`"),
        ("- width", "flat list"),
        ("width: [", "not readable as YAML"),
        ("8: width", "flat list"),
        ("seeds: [-1]", "parameter `seeds`"),
        ("seeds: ['0']", "parameter `seeds`"),
        ("classes: [stress, stress]", "each state may be named once, not ['stress', 'stress']"),
        ("models: [logistic]", "`served_model` is resnet, which is not among `models` (logistic)"),
    ],
)
def test_a_bad_profile_is_one_sentence_with_file_and_parameter(tmp_path, text, expected):
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_params(path)
    assert str(path) in str(caught.value) and expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent.yaml: not a readable file \(no such file or directory\)"):
        read_params(tmp_path / "absent.yaml")
    with pytest.raises(InputError, match=r"not a readable file"):
        read_params(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"\xea\x00")
    with pytest.raises(InputError, match=r"bytes\.yaml: not readable as YAML"):
        read_params(tmp_path / "bytes.yaml")


def test_overrides_win_over_the_file_and_an_error_tells_which_of_them_it_is_in(tmp_path):
    path = write(tmp_path, "width: 8")
    assert read_params(path, {"width": 32}).width == 32
    with pytest.raises(InputError, match=r"^-p: parameter `width`"):
        read_params(path, {"width": "wide"})
    assert read_params(write(tmp_path, "width: wide"), {"width": 32}).width == 32
    with pytest.raises(InputError, match=r"profile\.yaml: parameter `width`"):
        read_params(path, {"epochs": 1})


@pytest.mark.parametrize(("source", "name"), [("wesad", "wesad_root"), ("stress-predict", "stress_predict_root")])
def test_real_recordings_need_a_root(tmp_path, monkeypatch, source, name):
    path = write(tmp_path, f"source: {source}")
    monkeypatch.delenv(name.upper(), raising=False)
    with pytest.raises(InputError, match=f"set {name.upper()} or `{name}`"):
        read_params(path)
    monkeypatch.setenv(name.upper(), str(tmp_path))
    assert getattr(read_params(path), name) == str(tmp_path.resolve())


def test_every_profile_in_params_is_valid_and_names_only_differences(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("WESAD_ROOT", str(tmp_path))
    profiles = [path for path in (repository / "params").glob("*.yaml") if path.name != "serve.yaml"]
    assert {profile.stem for profile in profiles} >= {"smoke", "demo", "wesad-wrist", "wesad-chest"}
    defaults = Params().model_dump()
    for profile in profiles:
        assert read_params(profile).run == profile.stem
        values = yaml.safe_load(profile.read_text(encoding="utf-8"))
        assert [name for name, value in values.items() if name != "run" and value == defaults[name]] == []


def test_a_chapter_sees_only_the_parameters_of_its_cell():
    params = chapter_params({"width": 8, "run": "mine", "something": object()})
    assert (params.width, params.run) == (8, "mine")
    with pytest.raises(InputError, match="`epochs`"):
        _ = params.epochs
    with pytest.raises(InputError, match="`width`"):
        chapter_params({"width": "wide"})


def test_the_network_is_one_line_whose_parameters_may_be_given_one_by_one():
    values = chapter_values(Params(width=16), ["run", "network"])
    assert set(values) == {"run", "network"} and values["network"]["width"] == 16
    params = chapter_params({**values, "epochs": 7})
    assert (params.width, params.epochs, params.dropout) == (16, 7, Params().dropout)
    assert chapter_params({"network": {}}).width == Params().width
    with pytest.raises(InputError, match="`bootstrap`"):
        _ = params.bootstrap
    with pytest.raises(InputError, match="unknown parameter `widht`"):
        chapter_params({"network": {"widht": 3}})
