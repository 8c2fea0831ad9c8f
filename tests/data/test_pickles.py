"""Pickles are read without running what may be in them."""

import os
import pickle

import numpy as np
import pytest

from wesadlib.data.pickles import load_arrays, save_arrays
from wesadlib.errors import InputError

ARRAYS = {
    "int8": np.arange(-4, 4, dtype=np.int8).reshape(4, 2),
    "float64": np.linspace(0, 1, 7),
    "big_endian": np.arange(3, dtype=">f4"),
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "empty": np.empty((0, 3)),
    "high_bytes": np.full(5, -1, np.int32),
    "scalar": np.float64(700.0),
}


def assert_loaded(path, data, expected=ARRAYS):
    path.write_bytes(data)
    loaded = load_arrays(path)
    assert loaded.keys() == expected.keys()
    for name, array in expected.items():
        assert loaded[name].dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(loaded[name], array)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_round_trips(tmp_path, protocol):
    assert_loaded(tmp_path / "a.pkl", pickle.dumps(ARRAYS, protocol))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("core", ["core", "_core"])
def test_old_and_new_numpy_paths_are_read_without_a_warning(tmp_path, core):
    data = pickle.dumps(ARRAYS, 2)
    current = np.ones(1).__reduce__()[0].__module__.encode()
    assert current in data
    assert_loaded(tmp_path / "a.pkl", data.replace(current, f"numpy.{core}.multiarray".encode()))


def test_an_array_as_python_2_wrote_it(tmp_path):
    # Protocol 2 of Python 2 holds the bytes as a byte string, which only the encoding latin1 gives back unharmed.
    values = np.array([-1.5, 255.0, 1e300])
    data = (
        b"\x80\x02}U\x01acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x03\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U" + bytes([values.nbytes]) + values.tobytes() + b"tbs."
    )
    assert_loaded(tmp_path / "a.pkl", data, {"a": values})


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_is_refused_by_name_and_does_not_run(tmp_path, protocol):
    path, victim = tmp_path / "a.pkl", tmp_path / "victim"
    path.write_bytes(pickle.dumps({"subject": Touch(victim)}, protocol))
    with pytest.raises(InputError, match=r"a\.pkl was refused: it names `posix\.mkdir`"):
        load_arrays(path)
    assert not victim.exists()
    pickle.loads(path.read_bytes())
    assert victim.exists(), "the pickle above would have run"


@pytest.mark.parametrize(
    "payload",
    [
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"cnumpy\nload\n.",
        b"cnumpy\nndarray.tofile\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.",
        b"cbuiltins\neval\n.",
        b"c_codecs\ndecode\n.",
        b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
    ],
)
def test_neighbours_of_what_is_permitted_are_refused(tmp_path, payload):
    path = tmp_path / "a.pkl"
    path.write_bytes(payload)
    with pytest.raises(InputError, match=r"was refused|rot13"):
        load_arrays(path)


def test_what_is_no_whole_pickle_is_one_sentence(tmp_path):
    path = tmp_path / "a.pkl"
    with pytest.raises(InputError, match="is missing"):
        load_arrays(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_arrays(tmp_path)
    save_arrays(path, ARRAYS)
    data = path.read_bytes()
    for content in (*(data[: int(kept * len(data))] for kept in (0, 0.1, 0.5, 0.99)), b"<html>not found</html>"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.pkl is truncated or no pickle") as raised:
            load_arrays(path)
        assert "\n" not in str(raised.value)
