"""The appendix lists every parameter."""

from wesadlib.params import Params
from wesadlib.report.summary import tabulate_params


def test_table_lists_each_parameter_once_with_its_bounds_and_profiles(repository):
    table = tabulate_params(repository / "params").set_index("parameter")
    assert set(table.index) == set(Params.model_fields) and table.index.is_unique
    assert table.loc["window_s", "bounds"] == "≥ 20, ≤ 300"
    assert "serve" not in table
    assert table.loc["width", "demo"] == "8" and table.loc["width", "smoke"] == ""
