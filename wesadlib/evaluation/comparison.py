"""Comparing models over people: the leaderboard, protocols on the same windows, pairs, published figures."""

from importlib.resources import files
from itertools import combinations

import numpy as np
import pandas as pd

from wesadlib.errors import InputError
from wesadlib.evaluation.predictions import RAW, as_given, of_every_seed
from wesadlib.evaluation.protocols import PROTOCOLS, ColdStart
from wesadlib.evaluation.scores import METRICS, score
from wesadlib.evaluation.statistics import holm, paired_test

#: What names one score of the leaderboard.
ROW = ["task", "protocol", "model"]


def leaderboard(predictions: pd.DataFrame, *, windows: str = "all", bootstrap: int = 1000) -> pd.DataFrame:
    """Every task, protocol and model in one table, in the order in which the predictions name them.

    The protocols do not test the same windows: one that sees a person's rest does not test it. So every protocol other
    than a cold start comes with the same model's cold start on exactly the windows that both test.

    Rows: ``task protocol model seeds people missing windows n_windows coverage accuracy accuracy_low accuracy_high
    balanced_accuracy macro_f1 roc_auc ece brier deployable``, and, NaN for a cold start itself and where the model has
    none, what :func:`against_cold_start` gives. `missing` names the people whom others of the task were tested on and
    this row was not under every seed, since a fold failed; `deployable` is the protocol's.
    """
    _refuse(predictions)
    everybody = predictions.groupby("task")["subject"].unique()
    predictions = of_every_seed(predictions)
    tested = predictions.groupby(ROW)["subject"].unique()
    order = {name: list(predictions[name].unique()) for name in ROW}
    table = score(predictions, windows=windows, bootstrap=bootstrap)
    table = table.sort_values(ROW, key=lambda column: column.map(order[column.name].index), ignore_index=True)
    keys = list(table[ROW].itertuples(index=False, name=None))
    table["people"] = [len(tested[key]) for key in keys]
    table["missing"] = [", ".join(p for p in everybody[key[0]] if p not in tested[key]) for key in keys]
    table["deployable"] = [PROTOCOLS[protocol].deployable for protocol in table["protocol"]]
    first = [*ROW, "seeds", "people", "missing"]
    table = table[[*first, *(name for name in table if name not in first)]]
    return table.merge(against_cold_start(predictions, windows=windows, bootstrap=bootstrap), how="left", on=ROW)


def same_windows(predictions: pd.DataFrame, protocol_a: str, protocol_b: str) -> pd.DataFrame:
    """Predictions under `protocol_a` of windows that the same model and task is tested on under `protocol_b` too."""
    a, b = (predictions[predictions["protocol"] == name] for name in (protocol_a, protocol_b))
    return a.merge(b[["task", "model", "window"]].drop_duplicates())


def against_cold_start(predictions: pd.DataFrame, *, windows: str = "all", bootstrap: int = 1000) -> pd.DataFrame:
    """Each protocol against the same model's cold start, on exactly the windows that both test.

    A row a task, protocol (other than a cold start) and model that has both: ``task protocol model people_cold``, the
    cold start's scores ``accuracy_cold balanced_accuracy_cold macro_f1_cold roc_auc_cold ece_cold brier_cold``, and
    `difference`, mean over people of accuracy under the protocol minus under a cold start, with its interval
    `difference_low`, `difference_high` over draws of people and its `p_permutation`; NaN for fewer than two people.
    """
    rows = []
    for protocol in dict.fromkeys(predictions["protocol"]):
        before = same_windows(predictions, ColdStart.name, protocol)
        if protocol == ColdStart.name or before.empty:
            continue
        after = same_windows(predictions, protocol, ColdStart.name)
        if after.filter(like=RAW).isna().all(axis=None):
            # Where nothing could be calibrated both are compared as models gave them.
            before = as_given(before)
        scores = score(before, windows=windows, bootstrap=bootstrap)
        keys = ["task", "model", "subject"]
        people = [score(part, "subject", windows).set_index(keys).sort_index() for part in (before, after)]
        for row in scores.to_dict("records"):
            first, second = (part.loc[(row["task"], row["model"]), "accuracy"] for part in people)
            difference = [np.nan] * 4
            if len(first) > 1:
                test = paired_test(first, second, bootstrap=bootstrap)
                difference = test.difference, test.low, test.high, test.p_permutation
            values = [row[metric] for metric in METRICS]
            rows.append([row["task"], protocol, row["model"], len(first), *values, *difference])
    columns = [*ROW, "people_cold", *(f"{metric}_cold" for metric in METRICS)]
    return pd.DataFrame(rows, columns=[*columns, "difference", "difference_low", "difference_high", "p_permutation"])


def person_scores(predictions: pd.DataFrame, task: str, protocol: str) -> pd.DataFrame:
    """Accuracy of each model on each person, ``(person, model)``, means of seeds; NaN where a fold failed."""
    part = predictions[(predictions["task"] == task) & (predictions["protocol"] == protocol)]
    if part.empty:
        there = ", ".join(f"{a} under {b}" for a, b in predictions[["task", "protocol"]].drop_duplicates().to_numpy())
        raise InputError(f"no predictions of `{task}` under `{protocol}`; there are those of {there or 'nothing'}.")
    table = score(of_every_seed(part), "subject").pivot(index="subject", columns="model", values="accuracy")
    return table.reindex(index=list(dict.fromkeys(part["subject"])), columns=list(dict.fromkeys(part["model"])))


def distinct(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores (person, model) without models that do on everybody what one before them does, such as the chosen one."""
    return scores.loc[:, ~scores.round(12).T.duplicated()]


def gains(leaderboard: pd.DataFrame, task: str, protocol: str) -> pd.DataFrame:
    """What a protocol brings each model over its own cold start on the same windows; `p_holm` is over models."""
    part = leaderboard[(leaderboard["task"] == task) & (leaderboard["protocol"] == protocol)]
    part = part.dropna(subset="p_permutation").rename(columns={"p_permutation": "p"})
    names = ["model", "accuracy_cold", "accuracy", "difference", "difference_low", "difference_high", "p"]
    return part[names].assign(p_holm=holm(part["p"])).reset_index(drop=True)


def hardest(by_subject: pd.DataFrame, number: int = 2) -> pd.DataFrame:
    """The people with the lowest accuracy by :func:`score`, worst first; a column a model and their `mean`."""
    table = by_subject.pivot(index="subject", columns="model", values="accuracy")
    return table.assign(mean=table.mean(axis=1)).sort_values("mean", kind="stable").head(number)


def pairwise(scores: pd.DataFrame, *, bootstrap: int = 1000) -> pd.DataFrame:
    """A :class:`~wesadlib.evaluation.statistics.PairedTest` of every two models by their `scores` (person, model).

    A row a pair, second minus first, smallest p first; `p_holm` is adjusted for the number of pairs.
    """
    if scores.shape[1] < 2:
        raise InputError(f"{scores.shape[1]} model(s): to compare needs at least 2; evaluate another.")
    rows = [
        {"first": first, "second": second} | paired_test(scores[first], scores[second], bootstrap=bootstrap)._asdict()
        for first, second in combinations(scores, 2)
    ]
    table = pd.DataFrame(rows).rename(columns={"p_permutation": "p"}).drop(columns="p_wilcoxon")
    table.insert(table.columns.get_loc("p") + 1, "p_holm", holm(table["p"]))
    return table.sort_values("p", kind="stable", ignore_index=True)


def tabulate(leaderboard: pd.DataFrame) -> pd.DataFrame:
    """Rows of a leaderboard as text, to be read."""
    others = {"balanced_accuracy": "balanced", "macro_f1": "macro-F1", "roc_auc": "AUC", "ece": "ECE", "brier": "Brier"}
    text = leaderboard[["accuracy", "accuracy_low", "accuracy_high", *others]].map("{:.3f}".format)
    table = leaderboard.assign(
        **text[[*others]],
        deployable=leaderboard["deployable"].map({True: "yes", False: "no"}),
        seeds=leaderboard["seeds"].map(len),
        windows=leaderboard["n_windows"],
        accuracy=text["accuracy"] + " [" + text["accuracy_low"] + ", " + text["accuracy_high"] + "]",
    )
    named = ["task", "protocol", "deployable", "model"]
    table = table[[*named, "seeds", "people", "windows", "accuracy", *others]]
    return table.rename(columns=others).set_index(named)


def _refuse(predictions: pd.DataFrame) -> None:
    if "deployable" in predictions:
        shortcut = predictions[predictions["deployable"].isin([False])]
        if len(shortcut):
            name = shortcut["shortcut"].iloc[0] if "shortcut" in shortcut else shortcut["protocol"].iloc[0]
            raise InputError(
                f"predictions of the shortcut `{name}` are nothing to rank; leave out rows whose `deployable` is False."
            )
    for protocol in dict.fromkeys(predictions["protocol"]):
        if protocol not in PROTOCOLS:
            raise InputError(f"unknown protocol `{protocol}`; the protocols are {', '.join(PROTOCOLS)}.")
    twice = predictions[predictions.duplicated([*ROW, "seed", "window"])]
    if len(twice):
        row = twice.iloc[0]
        raise InputError(
            f"{row['task']}, {row['protocol']}, {row['model']}, seed {row['seed']}: two predictions of window "
            f"{row['window']}; give each once."
        )


def published_figures() -> pd.DataFrame:
    """Figures that others published on WESAD, each with the protocol that it rests on, as far as it is said.

    Software has no edition: the figures of `wesadarousal` and those of `bose2025calmsense` for three states are from
    the READMEs of commits 3d649e3 and 0165b74; the latter calls its own historical, of code since corrected.
    """
    return pd.read_csv(files("wesadlib.evaluation") / "published.csv", keep_default_na=False)


def tabulate_published(figures: pd.DataFrame) -> str:
    """Published figures as a MyST table whose sources are citations; figures of one model are joined in a row."""
    percent = figures["metric"].str.contains("accuracy")
    value = (100 * figures["value"]).map("{:.3g} %".format).where(percent, figures["value"].map("{:.3g}".format))
    remark = figures["remark"].map(lambda text: f" ({text})" if text else "")
    table = figures.assign(result=figures["metric"] + " " + value + remark, source="{cite}`" + figures["key"] + "`")
    names = ["source", "model", "device", "states", "protocol"]
    table = table.groupby(names, sort=False)["result"].agg(", ".join).reset_index()
    return table.rename(columns={"device": "signals"}).to_markdown(index=False)
