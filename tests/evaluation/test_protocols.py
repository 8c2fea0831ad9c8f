import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from wesadlib.errors import InputError
from wesadlib.evaluation.protocols import ColdStart, WholeRecording


def windows_of(subjects):
    return xr.Dataset(coords={"subject": ("window", np.array(subjects, dtype="U4"))})


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from([ColdStart, WholeRecording]),
    subjects=st.lists(st.sampled_from([f"S{k}" for k in range(2, 9)]), min_size=4, max_size=40),
    validation_subjects=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_each_person_is_on_one_side_of_a_fold_and_everybody_is_tested_once(kind, subjects, validation_subjects, seed):
    people = set(subjects)
    protocol = kind(validation_subjects, seed)
    if len(people) < validation_subjects + 2:
        with pytest.raises(InputError):
            list(protocol.split(windows_of(subjects)))
        return
    folds = list(protocol.split(windows_of(subjects)))
    assert [fold.held_out for fold in folds] == list(dict.fromkeys(subjects))
    owner = np.array(subjects)
    for fold in folds:
        train, validation, test = (set(owner[part]) for part in (fold.train, fold.validation, fold.test))
        assert test == {fold.held_out}
        assert len(validation) == validation_subjects
        assert train | validation | test == people and not train & validation and not (train | validation) & test
        assert sorted(np.concatenate([fold.train, fold.validation, fold.test])) == list(range(len(subjects)))
        assert fold.calibration.size == 0


def test_the_draw_follows_the_seed_and_the_held_out_person_only():
    subjects = [f"S{k}" for k in range(2, 12)]
    drawn = {
        seed: [tuple(np.array(subjects)[fold.validation]) for fold in ColdStart(2, seed).split(windows_of(subjects))]
        for seed in (0, 1)
    }
    assert drawn[0] != drawn[1]
    assert len(set(drawn[0])) > 3, "the folds draw apart from each other"
    again = ColdStart(2, 0).split(windows_of(subjects))
    assert [tuple(np.array(subjects)[fold.validation]) for fold in again] == drawn[0]
    # Two windows more of the held-out person, at the end: the others' roles stay.
    more = [*subjects, "S2", "S2"]
    assert tuple(np.array(more)[next(ColdStart(2, 0).split(windows_of(more))).validation]) == drawn[0][0]


def test_too_few_people_is_one_sentence_with_their_names():
    with pytest.raises(InputError, match=r"^1 subject \(S2\): leaving one out .* at least 3; give more subjects\.$"):
        list(ColdStart().split(windows_of(["S2", "S2"])))
    with pytest.raises(InputError, match=r"3 subjects \(S2, S3, S4\).*at least 4.*or lower `validation_subjects`"):
        list(ColdStart(2).split(windows_of(["S2", "S3", "S4"])))
