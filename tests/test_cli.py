import errno

import pytest

from wesadlib import cli
from wesadlib.errors import needs
from wesadlib.params import Params


def test_every_parameter_is_listed(wesad):
    status, out, _ = wesad("params")
    assert status == 0
    assert [name for name in Params.model_fields if name[:20] not in out] == []


@pytest.mark.parametrize(("number", "cause"), [(errno.ENOSPC, "no space is left"), (errno.EACCES, "permissions")])
def test_a_full_disk_and_a_closed_folder_are_one_sentence_with_the_path(monkeypatch, capsys, number, cause):
    def fail():
        raise OSError(number, "as the system says it", "/some/table.csv")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    error = capsys.readouterr().err
    assert error.startswith("wesad: /some/table.csv: ") and cause in error and error.count("\n") == 1


def test_an_error_is_one_sentence_on_standard_error_and_exit_status_one(wesad, tmp_path):
    profile = tmp_path / "profile.yaml"
    profile.write_text("widht: 8")
    for arguments, expected in [
        (("book", profile), "unknown parameter `widht`"),
        (("book", tmp_path / "absent.yaml"), "absent.yaml"),
        (("book", profile, "-p", "width"), "write name=value"),
        (("book", profile, "-p", "width=[1"), "-p width=[1"),
        (("book", profile, "--only", "21", "--from", "22"), "--only and --from"),
        (("check", tmp_path / "absent"), "absent"),
        (("check", tmp_path), str(tmp_path)),
        (("serve", tmp_path / "absent"), "absent"),
        (("simulate", tmp_path), "exists already"),
    ]:
        status, out, error = wesad(*arguments)
        assert status == 1 and out == "", arguments
        assert error.startswith("wesad: ") and error.count("\n") == 1 and expected in error, error


def test_a_module_of_our_own_that_is_missing_is_no_lack_of_an_extra():
    with pytest.raises(ModuleNotFoundError), needs("book", "wesad book"):
        import wesadlib.no_such_module  # noqa: F401


def test_a_damaged_recording_is_reported_and_fails_the_check(wesad, tmp_path):
    (tmp_path / "S2").mkdir()
    (tmp_path / "S2" / "S2.pkl").write_bytes(b"\x80\x04")
    status, out, error = wesad("check", tmp_path)
    assert status == 1 and "S2.pkl" in out + error and "Traceback" not in out + error
