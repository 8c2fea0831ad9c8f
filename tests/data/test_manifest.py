"""Which files a cohort is."""

import hashlib
import json
import shutil

from wesadlib.data import open_wesad


def test_each_file_with_its_size_and_digest(write_person, tmp_path):
    folder = write_person()
    (folder / "S2_respiban.txt").write_text("not needed")
    manifest = open_wesad(tmp_path).manifest()
    assert [file["path"] for file in manifest["files"]] == ["S2/S2.pkl", "S2/S2_quest.csv", "S2/S2_readme.txt"]
    for file in manifest["files"]:
        data = (tmp_path / file["path"]).read_bytes()
        assert file["bytes"] == len(data)
        assert file["sha256"] == hashlib.sha256(data).hexdigest()
    assert manifest["subjects"] == ["S2"] and manifest["simulated"] is False
    assert str(tmp_path) not in json.dumps(manifest)


def test_the_digest_says_which_data_and_not_where_they_lie(write_person, tmp_path):
    write_person("S2")
    write_person("S3")
    digest = open_wesad(tmp_path).digest
    copy = tmp_path / "copy"
    for subject in ("S2", "S3"):
        shutil.copytree(tmp_path / subject, copy / subject)
    assert open_wesad(copy).digest == digest
    assert open_wesad(copy, ["S2"]).digest != digest


def test_the_digest_sees_every_file_that_is_read(write_person, tmp_path):
    folder = write_person()
    digests = {open_wesad(tmp_path).digest}
    for name in ("S2.pkl", "S2_quest.csv", "S2_readme.txt"):
        with open(folder / name, "ab") as file:
            file.write(b" ")
        digests.add(open_wesad(tmp_path).digest)
    assert len(digests) == 4
    (folder / "S2_E4_Data.zip").write_bytes(b"not read")
    assert open_wesad(tmp_path).digest in digests
