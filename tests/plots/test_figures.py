"""Figures show the numbers that they are given, also where some are missing; nbval draws each with a chapter's own."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from wesadlib import plots
from wesadlib.plots import audit, baseline, cohort, comparison, deployment, drift, events, labs, loso, quality, signals
from wesadlib.plots.recording import plot_recording
from wesadlib.plots.reliability import plot_coverage, plot_reliability

NAN = np.nan
STATES = ["baseline", "stress"]


def frame(columns: str, *rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns.split())


BOARD = frame(
    "protocol model accuracy accuracy_low accuracy_high deployable accuracy_cold",
    ("cold_start", "logistic", 0.88, 0.85, 0.9, True, NAN),
    ("cold_start", "resnet", 0.92, 0.89, 0.94, True, NAN),
    ("whole_recording", "resnet", 0.95, 0.9, 0.97, False, 0.91),
)
BILL = frame(
    "rule model accuracy reference inflation inflation_low inflation_high",
    ("at random", "forest", 0.983, 0.899, 0.084, 0.035, 0.135),
    ("the epoch", "resnet", 0.92, 0.93, -0.01, -0.03, 0.01),
    ("at random", "resnet", 0.97, 0.93, 0.04, 0.01, 0.07),
)
CONTROLS = frame(
    "what model majority accuracy accuracy_low accuracy_high roc_auc roc_auc_low roc_auc_high",
    ("acceleration alone", "forest", 0.625, 0.8, 0.75, 0.85, 0.9, 0.85, 0.95),
    ("labels shuffled", "forest", 0.625, 0.5, 0.45, 0.55, 0.51, 0.4, 0.6),
)
RESPONSES = pd.DataFrame(
    {"cold": [0.5, 0.7, 0.9], "eda": [0.1, 1.0, 2.0], "movement": [0.0, 0.01, 0.02], "stai": NAN},
    index=["S14", "S7", "S2"],
)
SCORES = pd.DataFrame({"logistic": [0.9, 0.6, 0.8], "resnet": [1.0, 0.65, NAN]}, ["S2", "S3", "S4"])
PEOPLE = frame("subject duration_s windows_baseline windows_stress", ("S2", 600.0, 7, 3), ("S3", 900.0, 8, 0))
BLOCKS = frame("subject state start_s end_s", ("S2", "stress", 360.0, 480.0), ("S3", "baseline", 0.0, 300.0))
ALARMS = frame("least_distance subject alarm", (0.0, "S2", 1), (0.0, "S3", 1), (0.5, "S2", 1), (0.5, "S3", 0))
NULLS = frame("people distance", (1, 0.7), (1, 0.9), (2, 0.5))
SHIFTS = frame(
    "kind sensor size distance noticed",
    ("none", "", 0.0, 0.4, 0.1),
    ("gain", "wrist_eda", 2.0, 0.5, 0.25),
    ("gain", "wrist_eda", 1.5, 0.4, 0.2),
    ("prevalence", "", 1.0, 0.6, NAN),
)
FAULTS = frame("fault sensor strength caught", ("flat line", "wrist_eda", 1.0, 0.5), ("motion", "wrist", 1.0, 1.0))
LATENCY = frame("where milliseconds", ("over HTTP", 30.0), ("over HTTP", 10.0), ("in this process", 1.0))
RATES = frame(
    "rate saturated p50_ms p95_ms p99_ms requests requests_per_s errors batch_windows",
    (25, False, 2.0, 3.0, 5.0, 100, 25.0, 0, 1.0),
    (50, True, 4.0, 50.0, 2000.0, 200, 45.0, 10, NAN),
)
CURVE = frame(
    "model low_edge high_edge share confidence accuracy accuracy_low accuracy_high",
    ("resnet", 0.5, 0.75, 0.4, 0.6, 0.7, NAN, NAN),
    ("resnet", 0.75, 1.0, 0.6, 0.9, 0.8, 0.7, 0.9),
)
COVERAGE = frame(
    "model threshold coverage accuracy accuracy_low accuracy_high",
    ("resnet", 0.5, 1.0, 0.8, 0.7, 0.9),
    ("resnet", 0.7, 0.6, 0.9, 0.8, 0.95),
    ("resnet", 1.0, 0.0, NAN, NAN, NAN),
)
LEARNING = frame(
    "model size accuracy accuracy_low accuracy_high",
    ("forest", 4, 0.9, 0.85, 0.95),
    ("forest", 2, 0.9, 0.85, 0.95),
    ("resnet", 4, 0.9, 0.85, 0.95),
)

RATE = frame("claimed observed low high", (0.1, 0.2, 0.0, 0.4))
QUANTILES = {"p50": 25.0, "p95": 38.4, "p99": 39.7}

CASES = {
    "inflation": (audit.plot_inflation, (BILL,), {"+8.4", "+4.0", "-1.0", "at random", "the epoch", "forest"}),
    "controls": (audit.plot_controls, (CONTROLS,), {"80", "0.51", "acceleration alone", "labels shuffled"}),
    "nearest": (audit.plot_nearest, (pd.DataFrame([[1, 3], [0, 2]], ["S2", "S3"], ["S2", "S3"]),), {"25", "75", "100"}),
    "responses": (audit.plot_people, (RESPONSES, ["S14", "S7"]), {"S14", "S7", "movement, g"}),
    "leaderboard": (comparison.plot_leaderboard, (BOARD,), {"95.0", "whole recording (no device could)", "logistic"}),
    "people": (comparison.plot_people, (SCORES,), {"60", "65", "80", "90", "100", "S3"}),
    "learning": (comparison.plot_learning, (LEARNING,), {"forest", "resnet"}),
    "protocol": (cohort.plot_protocol, (BLOCKS, PEOPLE), {"baseline", "stress", "S2"}),
    "windows": (cohort.plot_windows, (PEOPLE,), {"7", "3", "8", "", "stress"}),
    "naive": (drift.plot_naive, (ALARMS,), {"2 of 2", "1 of 2", "and a distance above 0.5"}),
    "nulls": (drift.plot_nulls, (NULLS, 2, 0.8), {"alarm above"}),
    "nulls without threshold": (drift.plot_nulls, (NULLS, 2, None), set()),
    "rate": (drift.plot_rate, (RATE,), {"observed"}),
    "rate without batches": (drift.plot_rate, (RATE.assign(observed=NAN),), {"dashed: as claimed"}),
    "shifts": (drift.plot_shifts, (SHIFTS,), {"25 %", "skin conductance", "gain: factor"}),
    "distances": (drift.plot_shifts, (SHIFTS.assign(noticed=NAN),), {"0.50", "0.60"}),
    "faults": (quality.plot_faults, (FAULTS,), {"flat line", "motion", "whole device"}),
    "latency": (deployment.plot_latency, (LATENCY, QUANTILES), {"p95 38 ms", "p99 40 ms"}),
    "load": (deployment.plot_load, (RATES,), {"p50", "p99", "too many"}),
    "reliability": (plot_reliability, (CURVE, {"resnet": 0.1234}), {"resnet, error 0.123"}),
    "coverage": (plot_coverage, (COVERAGE, 0.7), {"resnet: at 0.7 answers 60 %"}),
}


def texts(figure) -> set[str]:
    shown = {text.get_text() for text in figure.findobj(plt.Text)}
    return shown | {axes.get_title(loc="left") for axes in figure.axes}


@pytest.mark.parametrize("case", CASES)
def test_a_figure_shows_what_it_is_given_and_is_not_left_open(case):
    draw, tables, expected = CASES[case]
    plots.style()
    figure = draw(*tables)
    figure.draw_without_rendering()
    assert expected <= texts(figure)
    for mark in ("alarm above", "observed"):
        assert (mark in texts(figure)) == (mark in expected), "a name without its mark"
    assert plt.get_fignums() == [], "a notebook would show it a second time"


def test_intervals_span_from_low_to_high_in_the_colours_of_models():
    right = audit.plot_inflation(BILL).axes[1]
    lines, marks = right.collections
    assert [tuple(path.vertices[:, 0].round(6)) for path in lines.get_paths()] == [(3.5, 13.5), (1, 7), (-3, 1)]
    np.testing.assert_allclose(marks.get_offsets()[:, 0], [8.4, 4, -1])
    assert (np.diff(marks.get_offsets()[:, 1]) < 0).all(), "rules read downwards"
    assert [to_hex(color).upper() for color in marks.get_facecolor()] == [
        plots.MODEL_COLORS[model] for model in ("forest", "resnet", "resnet")
    ]
    chance = [line.get_xdata()[0] for axes in audit.plot_controls(CONTROLS).axes for line in axes.lines]
    assert chance == [62.5, 0.5]


def test_what_no_device_could_do_is_open_and_a_missing_model_leaves_its_row_empty():
    honest, upper = comparison.plot_leaderboard(BOARD).axes
    assert [len(axes.texts) for axes in (honest, upper)] == [2, 1]
    faces = [axes.collections[-1].get_facecolor() for axes in (honest, upper)]
    assert [to_hex(face[-1]).upper() for face in faces] == [plots.MODEL_COLORS["resnet"], "#FFFFFF"]


def test_models_trained_at_home_are_filled_and_others_open():
    scores = {"balanced_accuracy": 0.7, "balanced_accuracy_low": 0.6, "balanced_accuracy_high": 0.8}
    rows = pd.DataFrame({"test": "wesad", "model": "forest", "protocol": "own_rest", "at_home": [True, False]})
    _, away, _, home = labs.plot_home_and_away(rows.assign(**scores)).axes[0].collections
    faces = [to_hex(marks.get_facecolor()).upper() for marks in (away, home)]
    assert faces == ["#FFFFFF", plots.MODEL_COLORS["forest"]]


def test_sizes_of_a_shift_rise_to_the_right():
    assert [label.get_text() for label in drift.plot_shifts(SHIFTS).axes[0].get_xticklabels()] == ["1.5", "2"]


def test_the_hardest_person_is_at_the_left():
    labels = comparison.plot_people(SCORES).axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == ["S3", "S4", "S2"]
    by_subject = SCORES.rename_axis("subject").reset_index().melt("subject", var_name="model", value_name="accuracy")
    pooled = pd.DataFrame({"model": ["logistic", "resnet"], "accuracy": 0.8, "accuracy_low": [0.7, NAN]})
    (axes,) = loso.plot_subjects(by_subject, pooled.assign(accuracy_high=0.9)).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["S3", "S4", "S2", "all 3"]


def test_a_learning_curve_rises_by_people():
    (axes,) = comparison.plot_learning(LEARNING).axes
    assert (np.diff(axes.lines[0].get_xdata()) > 0).all() and axes.get_xticks().tolist() == [2, 4]


def test_ranks_are_named_in_the_colours_of_models():
    names = ["logistic", "forest", "resnet"]
    p = pd.DataFrame(np.where(np.eye(3), 1, 0.5), names, names)
    (axes,) = comparison.plot_ranks(pd.Series([2.2, 1.8, 2.0], names), p, 1.23).axes
    assert {plots.MODEL_COLORS[name] for name in names} <= {to_hex(text.get_color()).upper() for text in axes.texts}


def test_a_stream_shows_answers_abstentions_and_rejections_apart():
    rows = (60.0, 0.1, "ok", False), (120.0, 0.6, "ok", True), (180.0, NAN, "rejected", False)
    course = frame("time_s probability status abstained", *rows)
    (axes,) = deployment.plot_stream(course, 150.0, 0.7).axes
    _, answered, abstained, rejected, onset = axes.lines
    assert answered.get_xydata().tolist() == [[1.0, 0.1]]
    assert abstained.get_xydata().tolist() == [[2.0, 0.6]] and abstained.get_markerfacecolor() == "white"
    assert rejected.get_xdata().tolist() == [3.0] and list(onset.get_xdata()) == [2.5, 2.5]


def test_a_state_without_windows_has_no_density():
    rows = [(float(value), "baseline") for value in np.random.default_rng(0).normal(size=200)]
    values = frame("wrist_eda_mean label", *rows, (NAN, "stress"))
    (axes,) = baseline.plot_distributions(values, STATES, {"wrist_eda_mean": "uS"}).axes
    (density,) = axes.collections
    assert axes.get_xlabel() == "µS"
    assert axes.get_title(loc="left") == "skin conductance"
    assert to_hex(density.get_edgecolor()).upper() == plots.STATE_COLORS["baseline"]


def test_one_effect_beyond_all_others_stands_at_the_edge_with_its_number():
    effects = pd.DataFrame(
        {"pooled_effect": 1.0, "own_effect": 0.5, "other_way": 0, "people": 3}, [f"wrist_eda_{k}" for k in range(12)]
    )
    effects.iloc[0, 0] = 40.0
    (axes,) = baseline.plot_effects(effects, "stress").axes
    assert "40.0" in {text.get_text() for text in axes.texts}
    assert max(marks.get_offsets()[:, 0].max() for marks in axes.collections[1:]) < 5


def test_no_model_has_the_colour_of_a_state():
    assert not set(plots.MODEL_COLORS.values()) & set(plots.STATE_COLORS.values())
    assert len(set(plots.MODEL_COLORS.values())) == len(plots.MODEL_COLORS)


def test_a_fault_that_is_always_caught_is_drawn_at_100_percent():
    for axes in quality.plot_faults(FAULTS.assign(caught=1.0, fault="motion")).axes:
        assert all(line.get_ydata().tolist() == [100.0] for line in axes.lines)


def test_purity_ends_at_the_share_of_pure_windows(toy_windows):
    purity = np.ones(toy_windows.sizes["window"])
    stress = np.flatnonzero(toy_windows["label"] == "stress")
    purity[stress[:6]] = 0.6
    (axes,) = signals.plot_purity(toy_windows.assign_coords(purity=("window", purity)), 0.5).axes
    rest, stressed, in_force = axes.lines
    assert rest.get_ydata()[-1] == 100 and set(in_force.get_xdata()) == {0.5}
    assert stressed.get_ydata()[-1] == pytest.approx(100 * (1 - 6 / len(stress)))


def test_hours_show_everybody_s_line_and_alarms():
    hours = frame(
        "subject time_s phase p_stress alarm",
        *(("S2", 60.0 * k, "task" if k > 2 else "baseline", NAN if k == 1 else 0.1 * k, k > 3) for k in range(6)),
        *(("S3", 60.0 * k, "meditation", 0.2, False) for k in range(6)),
    )
    figure = events.plot_hours(hours)
    assert [axes.get_ylabel() for axes in figure.axes] == ["S2", "S3"]
    bands = [[band for band in axes.collections if len(band.get_paths())] for axes in figure.axes]
    assert [len(found) for found in bands] == [1, 0]
    assert np.isnan(figure.axes[0].lines[0].get_ydata()[1])


def test_budgets_are_a_point_each_and_who_is_never_alarmed_has_no_latency():
    summary = frame(
        "model protocol budget_per_h people detected latency_median_s false_alarms_per_h",
        ("logistic", "cold_start", 0.5, 15, 11, 121.0, 0.4),
        ("logistic", "cold_start", 1.0, 15, 15, 62.0, 1.1),
        ("physiology", "cold_start", 0.5, 15, 4, NAN, 0.1),
    )
    left, right = events.plot_budgets(summary).axes
    assert left.lines[0].get_ydata().tolist() == [121, 62] and np.isnan(left.lines[1].get_ydata()).all()
    assert right.lines[1].get_ydata().tolist() == [4]


def test_reports_join_the_conditions_of_each_person():
    table = frame(
        "subject state stai p_stress", ("S2", "stress", 18, 0.9), ("S2", "baseline", 9, 0.1), ("S3", "stress", NAN, 1)
    )
    (axes,) = events.plot_reports(table, "stai", "STAI", marked=("S2",)).axes
    assert [line.get_xdata().tolist() for line in axes.lines] == [[9, 18]] and axes.texts[0].get_text() == "S2"


def test_a_recording_s_minutes_are_good_where_a_hand_lies_still_and_bad_where_not_worn():
    wear = frame("start_s recorded worn wrist_eda", (0.0, True, True, "still"), (60.0, True, False, "flat line"))
    windows = frame("start_s end_s status p_stress", (0.0, 60.0, "answered", 0.9))
    answers = SimpleNamespace(wear=wear, windows=windows, rest=None)
    course = pd.DataFrame({"time_s": [0.0, 60.0], "wrist_eda": 1.0})
    minutes = plot_recording(course, answers, state="stress", min_confidence=0.7).axes[1]
    colors = [to_hex(bar.get_facecolor()).upper() for bar in minutes.patches]
    assert colors == ["#CFE3F1", plots.RED, "#CFE3F1", plots.RED]
