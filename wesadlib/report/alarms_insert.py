"""What chapter 34 shows of real people: whom alarms reach, how soon, and how often for nothing."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from wesadlib.evaluation.sentences import describe_hours
from wesadlib.evaluation.whole_recordings import HEADLINE, WORDS, summarise_alarms
from wesadlib.report.markdown import folded, markdown_table
from wesadlib.report.reference import HOURS, Reference

#: Columns of the table of people, each with its heading and decimals.
REPORTS = {
    "stai": ("anxiety, STAI points", 0),
    "arousal": ("arousal, points", 0),
    "heart_rate": ("heart rate, 1/min", 0),
    "conductance": ("conductance, factor", 1),
    "calm": ("probability of stress, baseline", 2),
    "strained": ("probability of stress, stress", 2),
    "latency_s": ("latency, s", 0),
    "false_alarms_per_h": ("false alarms, 1/h", 1),
}


def describe_alarms(reference: Reference) -> str:
    """Whom the headline's model detects on real people, and how often it is wrong."""
    row = dict(zip(("model", "protocol", "budget_per_h"), HEADLINE, strict=True))
    if (people := reference.table("alarms", **row)).empty:
        return ""
    return (
        f"**Alarms over whole recordings**, by “{HEADLINE[0]}” with a threshold that follows the person; its rule was "
        f"chosen on other people, allowing {HEADLINE[2]:g} false alarms an hour there. {describe_hours(people)} An "
        f"alarm is on during {100 * people['meditation_called_stress'].mean():.1f} % of meditation."
    )


def _missed_with_rest(reference: Reference) -> str:
    """Whom the headline's model misses where it also knows the person's rest, and what the task did to them."""
    row = {"model": HEADLINE[0], "protocol": "running_reference", "budget_per_h": HEADLINE[2]}
    people = reference.table("alarms", **row).set_index("subject")
    missed, body = people[people["detected"] < 1], reference.table("reports").set_index("subject")
    each = [
        f"{name} ({'no alarm' if late == np.inf else f'after {late:.0f} s'}; heart rate "
        f"{body.loc[name, 'heart_rate']:+.0f}/min, conductance {body.loc[name, 'conductance']:.1f} times)"
        for name, late in missed["latency_s"].items()
    ]
    return (
        f"Where the person's rest is known as well, “{HEADLINE[0]}” detects {len(people) - len(missed)} of "
        f"{len(people)}; missed: {', '.join(each) or 'nobody'}. The median change over people is "
        f"{body['heart_rate'].median():+.0f}/min and {body['conductance'].median():.1f} times."
    )


def tabulate_alarms(reference: Reference) -> Iterable[str]:
    """The figure of hours, every model and rule, and each person."""
    if (alarms := reference.table("alarms")).empty:
        return
    rows = [
        {
            "model": f"`{row['model']}`",
            "known of the person": WORDS[row["protocol"]],
            "budget, 1/h": f"{row['budget_per_h']:g}",
            "detected": f"{row['detected']} of {row['people']}",
            "median latency, s": "" if pd.isna(row["latency_median_s"]) else f"{row['latency_median_s']:.0f}",
            "false alarms, 1/h": f"{row['false_alarms_per_h']:.2f}",
            "worst person": f"{row['worst_false_alarms_per_h']:.1f} ({row['worst_person']})",
            "meditation in alarm, %": f"{100 * row['meditation_called_stress']:.1f}",
            "meditation above 0.5, %": f"{100 * row['meditation_above_half']:.1f}",
        }
        for row in summarise_alarms(alarms).to_dict("records")
    ]
    yield f"![A row a person: probability of stress and alarms over the whole recording]({HOURS})"
    yield folded("Every model, reference and budget", markdown_table(rows))
    yield (
        f"Each person's rule was chosen on other people. The row that leads this page, however, was picked after all "
        f"{len(rows)} had been seen, so it is somewhat optimistic. “Running reference”: a threshold that follows the "
        "person. “Meditation above 0.5”: windows of meditation whose probability of stress exceeds 0.5, without a "
        "rule. No latency: less than half of the people are detected."
    )
    if len(reports := reference.table("reports")):
        yield _missed_with_rest(reference)
        rows = [
            {"person": row["subject"]}
            | {head: f"{row[name]:.{digits}f}".replace("inf", "missed") for name, (head, digits) in REPORTS.items()}
            for row in reports.to_dict("records")
        ]
        title = "Each person: change from baseline to stress, mean probability of stress in each, and alarms"
        yield folded(title, markdown_table(rows))
