"""What kept results of real people say, in sentences: of any reference they are true, and empty where it lacks theirs.

A chapter that a sentence refers to stands in it as ``<23_loso>``.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from wesadlib.evaluation.abstention import abstention_by_state, risk_coverage_counts, risk_coverage_curve
from wesadlib.evaluation.comparison import against_cold_start, published_figures
from wesadlib.evaluation.predictions import clock_alone, distinct_minutes, early_and_late
from wesadlib.evaluation.scores import score
from wesadlib.evaluation.sentences import round_p
from wesadlib.evaluation.statistics import SIGNIFICANCE, paired_test
from wesadlib.params import Params
from wesadlib.report.reference import Reference

#: The model that others are held against, and the share of correct windows from which on a model serves a person.
BASELINE, SERVED = "logistic", 0.95

#: The published pipeline that the table stands against, by its key in the list of references.
PUBLISHED = "matteucci2026biomarker"

SHORTCUTS = {
    "shuffled": "windows shuffled over people",
    "shuffled_no_overlap": "shuffled, without overlap",
    "whole_recording": "normalised by the whole recording",
    "test_selected_epoch": "epoch selected on the test person",
    "best_of_several": "best of several seeds reported",
    "dropped_windows": "unsure windows dropped afterwards",
}


def majority(predictions: pd.DataFrame) -> tuple[str, float]:
    """The most frequent state of the windows and its share: the accuracy of always naming it."""
    shares = predictions.drop_duplicates(["subject", "window"])["label"].value_counts(normalize=True)
    return str(shares.index[0]), float(shares.iloc[0])


def count_windows(reference: Reference) -> str:
    """How many windows were scored, how long they are without their overlap, and by how many seeds, in sentences."""
    cold, rested = reference.cold, reference.under("rest_calibrated")
    if cold.empty:
        return ""
    minutes = distinct_minutes(cold, reference.parameters.get("window_s", 60.0))
    text = (
        f"Each score is the mean of {cold['seed'].nunique()} seeds, over {cold['window'].nunique()} overlapping "
        f"windows, which cover {minutes:.1f} distinct minutes."
    )
    if rest := rested["window"].nunique():
        text += f" A model that knows a person's first minutes is not scored on them; {rest} windows are left."
    return text


def threshold_of(reference: Reference) -> float:
    """The confidence from which on the run answers."""
    return reference.parameters.get("min_confidence", Params.model_fields["min_confidence"].default)


def provenance(reference: Reference) -> str:
    """Run, commit, kind of machine, versions and parameters of kept results, as their summary has them."""
    summary, defaults = reference.summary, Params().model_dump()
    machine, versions = summary.get("machine", {}), summary.get("versions", {})
    changed = {
        name: value
        for name, value in reference.parameters.items()
        if name in defaults and name not in ("run", "workers", "requests") and value != defaults[name]
    }
    given = ", ".join(f"{name} {value}" for name, value in changed.items()) or "the defaults"
    packages = ", ".join(f"{name} {versions[name]}" for name in ("torch", "scikit-learn") if name in versions)
    return (
        f"Kept with the book, not computed by your run: run `{summary['run']}`, commit "
        f"`{summary.get('commit', '')[:12]}`, {machine.get('cores', '?')} cores ({machine.get('cpu', 'unknown')}), "
        f"{packages or 'versions unknown'}; parameters, where they differ from the defaults: {given}. In brackets the "
        "95 % interval over people."
    )


def answer(reference: Reference) -> str:
    """The book's answer with its two controls, for the first line of its first page."""
    (state, share), data = majority(reference.cold), reference.summary["data"]
    row = score(reference.headline).iloc[0]
    text = (
        f"**The answer.** From the {data['device']} of {len(data['subjects'])} real people whom it had never seen, a "
        f"model classifies {share_of(row)} of {row['n_windows']} windows correctly as stress or baseline; "
        f"always answering “{state}” would be correct in {100 * share:.1f} % (<23_loso>)."
    )
    return f"{text} {controls(reference)}"


def controls(reference: Reference) -> str:
    """What time and movement alone achieve."""
    cold, table, parts = reference.cold, reference.table("controls", control="motion_only"), []
    if set(cold["label"]) == {"baseline", "stress"}:
        accuracy, area = score(clock_alone(cold)).loc[0, ["accuracy", "roc_auc"]]
        parts.append(
            f"The **clock alone** (a window's time since the recording began) classifies {100 * accuracy:.1f} % of the "
            f"windows correctly (area under the ROC curve {area:.3f}), because stress came after baseline for everybody"
        )
    if len(table):
        # The strongest model that sees movement alone: a control that is weaker than it could be would flatter.
        row = table.nlargest(1, "accuracy").iloc[0]
        parts.append(
            f"**Movement alone** (“{row['model']}” on acceleration) classifies {share_of(row)} correctly, because "
            "people stood and spoke in the stress task"
        )
    return f"Two controls know nothing of stress. {'. '.join(parts)} (<24_audit>)." if parts else ""


def drift(reference: Reference) -> str:
    """Whether the headline model errs more often late in the baseline, as it would if it read the time."""
    halves = early_and_late(reference.headline).set_index("half")
    early, late = (share_of(halves.loc[half], "false_alarms") for half in ("early", "late"))
    return (
        "**Do the models read the clock?** None is given a clock. If a drifting signal served as one, errors would be "
        f"more frequent late in the baseline. “{reference.model}” misclassifies {early} of its first half and {late} "
        "of its second."
    )


def verdict(p: float) -> str:
    """Whether a difference is shown."""
    return f"(p = {round_p(p)}: {'a' if p < SIGNIFICANCE else 'no'} difference is shown)"


def winner(reference: Reference) -> str:
    """How the headline model does against the baseline, and for how many people it is good enough."""
    model = reference.model
    # (person, model), NaN where a fold failed
    accuracy = score(reference.cold, by="subject").pivot(index="subject", columns="model", values="accuracy")
    shares = accuracy[model].dropna().sort_values(kind="stable")
    people = (
        f"It classifies at least {100 * SERVED:.0f} % of the windows correctly for {(shares >= SERVED).sum()} of "
        f"{len(shares)} people; for the hardest, {shares.index[0]}, {100 * shares.iloc[0]:.0f} % (<25_comparison>)."
    )
    if model == BASELINE or BASELINE not in accuracy:
        return f"**Who wins, and for whom.** There is “{model}” alone. {people}"
    test = paired_test(accuracy[BASELINE], accuracy[model])
    return (
        f"**Who wins, and for whom.** “{model}” scores higher than “{BASELINE}” for {test.better} of {test.people} "
        f"people and lower for {test.worse}. The mean difference is {100 * test.difference:+.1f} points "
        f"{verdict(test.p_permutation)}. {people}"
    )


def rest(reference: Reference) -> str:
    """What a person's own rest adds to a cold start on the same windows."""
    both = pd.concat([reference.cold, reference.under("rest_calibrated")])
    gains = against_cold_start(both, bootstrap=1).dropna(subset="p_permutation").set_index("model")
    parts = [
        f"“{name}” {100 * gains.loc[name, 'difference']:+.1f} points {verdict(gains.loc[name, 'p_permutation'])}"
        for name in dict.fromkeys(("resnet", reference.model))
        if name in gains.index
    ]
    if not parts:
        return ""
    minutes = reference.parameters["rest_minutes"]
    return (
        f"**What the first {minutes:g} minutes of a person's rest add**, compared with a cold start on the same "
        f"windows: {'; '.join(parts)} (<25_comparison>)."
    )


def abstention(reference: Reference) -> str:
    """What abstaining below a threshold brings, over all windows and by state."""
    model, own, threshold = reference.model, reference.headline, threshold_of(reference)
    curve = risk_coverage_curve(risk_coverage_counts(own, [0.0, threshold])).set_index("threshold")
    row, whole = curve.loc[threshold], curve.loc[0.0]
    states = "; ".join(
        f"of all “{state['label']}” windows, {100 * state['answered']:.0f} % are answered and "
        f"{100 * state['correct']:.0f} % are answered correctly"
        for state in abstention_by_state(own, threshold).to_dict("records")
    )
    return (
        f"**What abstention brings.** Where its confidence is below {threshold:g}, “{model}” abstains. It answers "
        f"{100 * row['coverage']:.1f} % of the windows, and {100 * row['accuracy']:.1f} % of these answers are "
        f"correct; without abstention, {100 * whole['accuracy']:.1f} % of all windows are classified correctly. By "
        f"state: {states} (<31_reliability>)."
    )


def shuffling(reference: Reference) -> str:
    """How much of what shuffling adds is left where no two windows overlap."""
    apart = reference.table("inflation", shortcut="shuffled_no_overlap")
    if apart.empty:
        return ""
    model, left = apart.iloc[0]["model"], apart.iloc[0]["inflation"]
    added = reference.table("inflation", shortcut="shuffled").set_index("model").loc[model, "inflation"]
    cause = "recognising the person" if left >= added / 2 else "the seconds that windows share"
    return (
        f"**Why shuffling flatters.** Shuffling windows over people adds {100 * added:+.1f} points to “{model}”, and "
        f"still {100 * left:+.1f} when no two windows overlap: most of the gain comes from {cause} (<24_audit>)."
    )


def published(reference: Reference) -> str:
    """The published figures that the table stands against, and what their rule is worth where that was measured."""
    figures = published_figures().query("key == @PUBLISHED").set_index(["model", "metric"])["value"]
    network, baseline = (100 * figures[model, "accuracy"] for model in ("ResNet-1D", "logistic"))
    text = (
        f"Published for the same people and task, from the chest: {network:.1f} % (AUC "
        f"{figures['ResNet-1D', 'area under ROC']:.3f}) by a residual network and about {baseline:.0f} % by a logistic "
        "regression. The network's weights were selected on the test person (<23_loso>)."
    )
    rows = reference.table("inflation", shortcut="test_selected_epoch").to_dict("records")
    worth = " and ".join(f"{points(row, 'inflation', ' points')} for “{row['model']}”" for row in rows)
    return f"{text} Here, the same selection adds {worth} (<24_audit>)." if rows else text


def share_of(row: Mapping[str, Any], name: str = "accuracy") -> str:
    """A share with its interval in running text: ``94.3 % [91.2, 97.4]``."""
    return percent(row, name, " %")


def percent(row: Mapping[str, Any], name: str, unit: str = "") -> str:
    """A share with its interval, in percent: ``94.3 [91.2, 97.4]``."""
    return f"{100 * row[name]:.1f}{unit} [{100 * row[f'{name}_low']:.1f}, {100 * row[f'{name}_high']:.1f}]"


def points(row: Mapping[str, Any], name: str, unit: str = "") -> str:
    """A difference of shares with its interval, in points, which `unit` may name: ``+6.1 points [+3.0, +9.0]``."""
    return f"{100 * row[name]:+.1f}{unit} [{100 * row[f'{name}_low']:+.1f}, {100 * row[f'{name}_high']:+.1f}]"
