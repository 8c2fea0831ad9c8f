"""The model card of a bundle, written from its configuration and from nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

#: Columns of the table of scores that a reader of the card needs, and how each is headed there.
_SCORES = {
    "task": "task",
    "protocol": "protocol",
    "windows": "windows",
    "n_windows": "number",
    "coverage": "coverage",
    "accuracy": "accuracy",
    "accuracy_low": "from",
    "accuracy_high": "to",
    "balanced_accuracy": "balanced",
    "roc_auc": "ROC AUC",
    "ece": "ECE",
}


def model_card(config: Mapping[str, Any]) -> str:
    """Describe a bundle for the people who decide whether to use it.

    Parameters
    ----------
    config : mapping
        A bundle's configuration, as :func:`wesadlib.bundle.save_bundle` writes it.

    Returns
    -------
    str
        Markdown: what the model is for and not for, its data, its scores with their protocol, its limits.
    """
    states, data = config["states"], config["data"]
    people = f"{data['subjects']} {'simulated people' if data['simulated'] else 'people of the WESAD data set'}"
    windows = ", ".join(f"{count} {state}" for state, count in data["windows"].items())
    sections = [
        f"# Model card: {config['model']}, {config['device']}",
        _provenance(data["simulated"]),
        "## What it does",
        f"The model “{config['model']}” reads {config['window_s']:g} s of the {config['device']} channels below and "
        f"gives each of the states {', '.join(states)} a probability. It abstains where the largest is below "
        f"{config['min_confidence']:g}, and refuses a window of poor signal quality, naming the rule that failed.",
        *_rest(config["rest"]),
        _table(
            ("channel", "unit", "trained at, Hz"),
            [(name, channel["units"], f"{channel['rate_hz']:g}") for name, channel in config["channels"].items()],
        ),
        "## Meant for",
        "Research and teaching: comparing methods, reproducing the book's figures, trying a serving path.",
        "## Not meant for",
        "Diagnosis, treatment, or any decision about a person: at work, in insurance, in education or in care. It was "
        "trained on one laboratory protocol, in which stress was a speech and mental arithmetic, spoken and standing, "
        "so what it calls stress is in part movement and speech. It has never seen daily life, illness, medication, "
        "children or old people.",
        "## Trained on",
        f"{people}: {windows} windows. Digest of the recordings: `{data['digest']}`.",
        "## Scores on people it had not seen",
        _scores(config["metrics"]),
        "## Limits",
        "- The person is the unit: few people were scored, so the intervals over people are wide.\n"
        "- A new person's resting level is unknown to it, and people unlike those it was trained on were not scored.\n"
        "- Confidence was judged on the same protocol as the scores; elsewhere it may be too high.\n"
        f"- Its quality gate uses {_thresholds(config['quality'])}.",
        f"Made by wesadlib {config['wesadlib_version']}; the model's version is `version` in `config.json`.",
    ]
    return "\n\n".join(sections) + "\n"


def _rest(rest: Mapping[str, Any] | None) -> list[str]:
    if rest is None:
        return []
    return [
        f"A second model of the same kind answers where the person's rest is known; it was trained with the first "
        f"{rest['minutes']:g} minutes of everybody's {rest['state']} beside the windows to be told apart."
    ]


def _provenance(simulated: bool) -> str:
    if simulated:
        return (
            "**Trained and scored on simulated people.** Its numbers say that the software works, and nothing about "
            "real people."
        )
    return "Trained and scored on real recordings, made in one laboratory."


def _scores(metrics: Sequence[Mapping[str, Any]]) -> str:
    if not metrics:
        return "None were stored with this bundle: treat it as untested."
    shown = {name: title for name, title in _SCORES.items() if any(name in row for row in metrics)}
    return _table(tuple(shown.values()), [tuple(_cell(row.get(name)) for name in shown) for row in metrics])


def _cell(value: Any) -> str:
    if value is None:
        return "not defined"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _thresholds(quality: Mapping[str, float]) -> str:
    return ", ".join(f"`{name}` {value:g}" for name, value in quality.items())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
