"""Files that are wrong in a way that somebody's were: read as they should be, or refused by a sentence."""

import zipfile

import minutes
import numpy as np
import pandas as pd
import pytest
from formats import write_person, write_xdf

from wesadlib.bundle import read_rest
from wesadlib.data import open_recording
from wesadlib.data.embraceplus import read_embraceplus, write_embraceplus
from wesadlib.data.table import read_table
from wesadlib.data.xdf import read_xdf
from wesadlib.errors import InputError


def header(start: str = "", rate: str = ""):
    """Change the start or the rate that a file says."""

    def change(text: str) -> str:
        first, second, rest = text.split("\n", 2)
        return "\n".join([start or first, rate or second, rest])

    return change


MILLISECONDS = f"{minutes.START.timestamp() * 1000:.0f}"
REFUSED = {
    "no header": ({"BVP": lambda text: "time\nvalue\n" + text}, "lines are 'time' and 'value'"),
    "a rate of nothing": ({"EDA": header(rate="0")}, "EDA.csv: .* 0 Hz"),
    "a rate in words": ({"EDA": header(rate="4 Hz")}, "'4 Hz', not the start"),
    "another rate": ({"BVP": header(rate="32")}, "BVP.csv: .* 32 Hz, and an E4 records this at 64 Hz"),
    "no pulse": ({"BVP": None}, "no BVP.csv with samples"),
    "an empty pulse": ({"BVP": lambda text: ""}, "no BVP.csv with samples"),
    "a decimal comma": ({"EDA": lambda text: text.replace("2.0", "2,0")}, "EDA.csv: line 3 is .*decimal comma"),
    "semicolons": ({"ACC": lambda text: text.replace(",", ";")}, "ACC.csv: the first two lines are"),
    "a word": ({"TEMP": lambda text: text.replace("33.0", "warm", 1)}, "TEMP.csv: line 3 is 'warm0'"),
    "no plain text": ({"EDA": lambda text: text.encode("utf-16")}, "EDA.csv: not plain text"),
    "a zero byte": ({"EDA": lambda text: text[:200] + "\0" + text[200:]}, "EDA.csv: not plain text"),
    "a press at no time": ({"tags": lambda text: "soon\n"}, "tags.csv: line 1 is 'soon'"),
    "a press at NaN": ({"tags": lambda text: "nan\n"}, "tags.csv: line 1 is 'nan'"),
    "a start at NaN": ({"EDA": header("nan")}, "EDA.csv: the first two lines are 'nan'"),
    "milliseconds": (dict.fromkeys(["BVP", "EDA", "TEMP"], header(MILLISECONDS)) | {"ACC": None}, "give seconds"),
    "a clock of its own": ({"EDA": header("1000")}, "wrist_eda and wrist_bvp were recorded 1706932006 s apart"),
    "a clock a year off": ({"TEMP": header("1675397106")}, "wrist_temp and wrist_bvp .* at no time together"),
}


@pytest.mark.parametrize(("files", "sentence"), REFUSED.values(), ids=REFUSED)
def test_exports_of_an_e4_that_cannot_be_read_are_refused_by_the_file(edit_e4, files, sentence):
    with pytest.raises(InputError, match=sentence) as raised:
        open_recording(edit_e4(**files))
    assert "edited.zip" in str(raised.value) and "\n" not in str(raised.value)


def test_an_empty_sensor_costs_its_channel_and_presses_of_another_time_are_no_rest(edit_e4):
    moment = minutes.START.timestamp()
    recording = open_recording(edit_e4(TEMP=lambda text: "", tags=lambda text: f"{moment - 9e4}\n{moment + 9}\n"))
    assert "wrist_temp" not in recording.signals and recording.duration_s == 100
    assert {"TEMP.csv: no sample", "1 of 2 presses of the button lie outside the recording"} <= {*recording.notes}
    with pytest.raises(InputError, match=r"two presses .* there are 1"):
        read_rest("tags", recording)


def test_channels_that_start_or_end_apart_are_told(edit_e4):
    notes = open_recording(edit_e4(EDA=header(f"{minutes.START.timestamp() + 30}"))).notes
    told = {"wrist_eda starts 30.0 s after the first channel", "wrist_bvp ends 30.0 s before the last channel"}
    assert told <= {*notes}


def test_zips_in_zips_are_read_to_a_depth(edit_e4, tmp_path):
    path = edit_e4()
    for k in range(3):
        assert open_recording(path).duration_s == 100
        with zipfile.ZipFile(tmp_path / f"{k}.zip", "w") as outer:
            outer.write(path, "inner.zip")
        path = tmp_path / f"{k}.zip"
    with pytest.raises(InputError, match="unpack it"):
        open_recording(path)


def test_names_in_capitals_are_read(edit_e4, tmp_path):
    with zipfile.ZipFile(edit_e4()) as archive, zipfile.ZipFile(tmp_path / "S99.zip", "w") as capitals:
        for name in archive.namelist():
            capitals.writestr(name.upper(), archive.read(name))
    assert len(open_recording(tmp_path / "S99.zip").signals) == 6


def sensor(name: str, field: str, change):
    return lambda record, schema: record["rawData"][name].update({field: change(record["rawData"][name][field])})


def without_tags(record, schema):
    (raw,) = (field["type"] for field in schema["fields"] if field["name"] == "rawData")
    raw["fields"][-1]["type"] = ["null", raw["fields"][-1]["type"]]
    record["rawData"]["tags"] = None


AVRO = {
    "seconds for microseconds": (sensor("eda", "timestampStart", lambda us: us // 1_000_000), "at no time together"),
    "an infinite sample": (sensor("eda", "values", lambda v: [np.inf, *v[1:]]), "avro: eda has an infinite sample"),
    "no rate": (sensor("eda", "samplingFrequency", lambda _: np.nan), "eda has samples at nan Hz"),
    "an axis cut off": (sensor("accelerometer", "y", lambda v: v[:9]), "axes have not as many samples each"),
    "an empty axis": (sensor("accelerometer", "y", lambda v: []), "axes have not as many samples each"),
    "no scale": (sensor("accelerometer", "imuParams", lambda v: dict.fromkeys(v, 0)), "does not tell how counts"),
    "no tags": (without_tags, ""),
    "a pulse that is off": (sensor("bvp", "timestampStart", lambda _: 0), ""),
}


@pytest.mark.parametrize(("change", "sentence"), AVRO.values(), ids=AVRO)
def test_files_of_an_embraceplus_that_are_odd(person, tmp_path, change, sentence):
    import fastavro

    (path,) = write_embraceplus(person, tmp_path / "S99").iterdir()
    with open(path, "rb") as file:
        reader = fastavro.reader(file)
        (record,), schema = list(reader), reader.writer_schema
    change(record, schema)
    with open(path, "wb") as file:
        fastavro.writer(file, schema, [record])
    if sentence:
        with pytest.raises(InputError, match=sentence):
            read_embraceplus(path)
    else:
        assert read_embraceplus(path).duration_s == 100


def missing(chosen):
    return lambda frame: frame.assign(BVP=frame["BVP"].mask(chosen(np.arange(len(frame)))))


def as_dates(time_s):
    """As they are written without a fraction at whole seconds."""
    return pd.to_datetime(time_s, unit="s").map(pd.Timestamp.isoformat)


WAITS = np.random.default_rng(0).exponential(1 / 64, 6400)
AT_RANDOM = np.random.default_rng(0).random(6400) < 0.05
TABLES = {
    "every 25th sample missing": (missing(lambda k: k % 25 == 7), 256),
    "samples missing at random": (missing(lambda k: AT_RANDOM[k]), AT_RANDOM.sum()),
    "a time missing": (lambda frame: frame.assign(time=frame["time"].mask(frame.index == 77)), 1),
    "a date missing": (lambda frame: frame.assign(time=as_dates(frame["time"]).mask(frame.index == 77)), 1),
    "an infinite sample": (lambda frame: frame.replace(frame["BVP"].iloc[9], np.inf), "row 11, .* 'inf', not a number"),
    "milliseconds that are not said": (lambda frame: frame.assign(time=frame["time"] * 1e6), "unit of its times"),
    "a clock that runs back": (lambda frame: frame.assign(time=-frame["time"]), "runs back"),
    "a clock that is none": (lambda frame: frame.assign(time=np.cumsum(WAITS)), "comes irregularly"),
    "most times given twice": (lambda frame: frame.assign(time=frame["time"] // 1), "share their time"),
    "times with a unit": (lambda frame: frame.assign(time=frame["time"].map("{:.4f} s".format)), "no number or date"),
    "a decimal comma": (lambda frame: frame.map("{:.4f}".format).replace(r"\.", ",", regex=True), "decimal comma"),
    "nothing": (lambda frame: frame.assign(BVP=np.nan), r"0 sample\(s\)"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("change", "expected"), TABLES.values(), ids=TABLES)
def test_tables_that_are_odd(person, tmp_path, change, expected):
    frame = pd.DataFrame({"time": np.arange(6400) / 64, "BVP": person.signals["wrist_bvp"].values})
    change(frame.copy()).to_csv(tmp_path / "S99.csv", index=False, sep=";")
    if isinstance(expected, str):
        with pytest.raises(InputError, match=rf"S99\.csv: .*{expected}"):
            read_table(tmp_path / "S99.csv", {"bvp": "BVP"})
        return
    pulse = read_table(tmp_path / "S99.csv", {"bvp": "BVP"}).signals["wrist_bvp"]
    absent = np.isnan(pulse.values)
    assert pulse.attrs["rate_hz"] == pytest.approx(64) and len(pulse) == 6400 and absent.sum() == expected
    np.testing.assert_allclose(pulse.values[~absent], person.signals["wrist_bvp"].values[~absent], atol=1e-4)


def test_a_clock_that_jitters_is_resampled(person, tmp_path):
    pulse = person.signals["wrist_bvp"].values
    time = np.arange(6400) / 64 + np.random.default_rng(0).uniform(-0.004, 0.004, 6400)
    pd.DataFrame({"time": time, "BVP": pulse}).to_csv(tmp_path / "S99.csv", index=False)
    recording = read_table(tmp_path / "S99.csv", {"bvp": "BVP"})
    assert any("off a regular clock" in note for note in recording.notes)
    np.testing.assert_allclose(recording.signals["wrist_bvp"].values[:6000], pulse[:6000], atol=2)


def test_columns_that_are_not_there_or_in_another_unit_are_refused(tmp_path):
    frame = pd.DataFrame(6.9, np.arange(640), ["time", "x", "y", "twice", "twice"])
    frame["time"] = frame.index / 64
    frame.to_csv(tmp_path / "S99.csv", index=False)
    for columns, time, sentence in [
        ({"bvp": "PPG"}, None, "no column 'PPG'; there are 'time', 'x', 'y', 'twice'"),
        ({"pulse": "x"}, None, "unknown signal 'pulse'; the wrist has bvp, eda, temp"),
        ({"bvp": "x"}, "clock", "no column 'clock'"),
        ({"bvp": "twice"}, None, r"S99\.csv: two columns are called 'twice'"),
        ({"acc_x": "x", "acc_y": "x"}, None, "'x' is given for several signals"),
        ({"acc_x": "x", "acc_y": "y"}, None, r"magnitude of acceleration is 9\.76 .* perhaps m/s2"),
    ]:
        with pytest.raises(InputError, match=sentence):
            read_table(tmp_path / "S99.csv", columns, time=time)
    # Gravity may be in the third axis.
    (frame[["time", "x", "y"]] / [1, 50, 50]).to_csv(tmp_path / "S99.csv", index=False)
    assert len(read_table(tmp_path / "S99.csv", {"acc_x": "x", "acc_y": "y"}).signals) == 2


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_an_xdf_file_cut_off_is_one_sentence_and_what_was_left_is_not_taken_for_all(person, tmp_path, caplog, share):
    pytest.importorskip("pyxdf")
    path = write_person(person, tmp_path / "S99.xdf")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)] or b"XDF:\xff\xff")
    with pytest.raises(InputError, match=r"S99\.xdf: not a whole XDF file \(.*\); copy it again\.$"):
        read_xdf(path)
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "shift", "sentence"), [("BVP", 0, "several streams may be bvp"), ("EDA", 4e8, "at no time together")]
)
def test_streams_of_one_name_or_of_two_clocks_are_refused(person, tmp_path, name, shift, sentence):
    pytest.importorskip("pyxdf")
    pulse = person.signals["wrist_bvp"]
    time, values = 500 + pulse["time"].values, pulse.values[:, None]
    streams = [("one", "BVP", ["BVP"], 64, time, values), ("two", name, [name], 64, time + shift, values)]
    with pytest.raises(InputError, match=sentence):
        read_xdf(write_xdf(tmp_path / "S99.xdf", streams))
