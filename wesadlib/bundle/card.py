"""The model card of a bundle: ``card.md``, filled in from the bundle's configuration and from nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: Columns of the table of scores that a reader of the card needs, and how each is headed there.
SCORES = {
    "task": "task",
    "protocol": "protocol",
    "windows": "windows",
    "n_windows": "number",
    "people": "people",
    "coverage": "coverage",
    "accuracy": "accuracy",
    "accuracy_low": "from",
    "accuracy_high": "to",
    "balanced_accuracy": "balanced",
    "roc_auc": "ROC AUC",
    "roc_auc_within": "ROC AUC within a person",
    "false_alarm_rate": "false alarms",
    "ece": "ECE",
}
SIMULATED = (
    "**Trained and scored on simulated people.** Its numbers say that the software works, and nothing about real "
    "people."
)
REST = (
    "\n\nA second model of the same kind answers where the person's rest is known; it was trained with the first "
    "{minutes:g} minutes of everybody's {state} beside the windows to be told apart."
)
GATE = (
    "\n\nFrom a window in which the wrist moves as in exercise it abstains, with the reason `exertion`. Without "
    "acceleration it cannot."
)

_STANDING = (
    "It was trained on one laboratory protocol, in which stress was a speech and mental arithmetic, spoken and "
    "standing, so what it calls stress is in part movement and speech."
)
_SEATED = (
    "It was trained on two laboratory protocols, in which seated people named colours, were interviewed or calculated "
    "against the clock; whatever else drives heart and skin, such as heat, or exercise that "
    "is not seen in movement, it takes for stress."
)


def model_card(config: Mapping[str, Any]) -> str:
    """Describe a bundle by its configuration, in Markdown, for the people who decide whether to use it.

    What the model is for and not for, its data, its scores with their protocol, its limits.
    """
    data, metrics = config["data"], config["metrics"]
    channels = [(name, one["units"], f"{one['rate_hz']:g}") for name, one in config["channels"].items()]
    columns = [name for name in SCORES if any(name in row for row in metrics)]
    scores = [[_cell(row.get(name)) for name in columns] for row in metrics]
    untested = "None were stored with this bundle: treat it as untested."
    people = (
        "simulated people" if data["simulated"] else "people" if config["credit"] else "people of the WESAD data set"
    )
    values = {
        "provenance": SIMULATED
        if data["simulated"]
        else config["credit"] or "Trained and scored on real recordings, made in one laboratory.",
        "states": ", ".join(config["states"]),
        "rest": (REST.format(**config["rest"]) if config["rest"] else "") + (GATE if config["exertion"] else ""),
        "channels": _table(["channel", "unit", "trained at, Hz"], channels),
        "stress": _SEATED if config["credit"] else _STANDING,
        "people": f"{data['subjects']} {people}",
        "windows": ", ".join(f"{count} {state}" for state, count in data["windows"].items()),
        "digest": data["digest"],
        "scores": _table([SCORES[name] for name in columns], scores) if metrics else untested,
        "thresholds": ", ".join(f"`{name}` {value:g}" for name, value in config["quality"].items()),
    }
    return Path(__file__).with_name("card.md").read_text(encoding="utf-8").format(**config | values)


def _cell(value: Any) -> str:
    if value is None:
        return "not defined"
    # Scores are shares; what is above 1 is a count.
    return str(value) if not isinstance(value, float) else f"{value:.3f}" if value <= 1 else f"{value:g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])
