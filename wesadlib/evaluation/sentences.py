"""What tables of scores and tests show and what they leave open, in sentences that are true of any numbers."""

import pandas as pd

from wesadlib.evaluation.statistics import SIGNIFICANCE, Friedman, PairedTest, paired_test
from wesadlib.models.calibration import RANGE

#: A loss of accuracy that counts as little.
LITTLE = 0.05
#: An area within a person from which on a person's windows count as ranked.
RANKED = 0.9


def describe_test(test: PairedTest, first: str, second: str) -> str:
    """What a paired test of two models shows, and what it leaves open."""
    people = f"{test.people} people"
    counts = f"{second} does better than {first} on {test.better} of {people}, worse on {test.worse} and the same"
    counts += f" on {test.equal}."
    p = round_p(test.p_permutation)
    chance = f"f the two models were equal, a mean difference this large would arise by chance with probability {p}"
    if test.p_permutation < SIGNIFICANCE:
        direction = "higher" if test.difference > 0 else "lower"
        return f"{counts} I{chance}: these {people} show that accuracy is {direction} with {second}."
    if test.smallest_p >= SIGNIFICANCE:
        limit = f"nor could they, since {people} never give a p below {test.smallest_p:.2g}."
    else:
        least = f"{100 * test.detectable:.1f} points"
        limit = f"a mean difference must reach about {least} to be detected in four of five such studies."
    return f"{counts} I{chance}, so these {people} do not show that accuracy differs; {limit}"


def round_p(p: float) -> str:
    """Write p to two decimals, or to its first digit where it is below 0.01.

    >>> round_p(0.0273), round_p(0.00195)
    ('0.03', '0.002')
    """
    return f"{p:.2f}" if p >= 0.01 else f"{p:.1g}"


def describe_pairs(pairs: pd.DataFrame) -> str:
    """What the people of a table of pairs (:func:`~wesadlib.evaluation.comparison.pairwise`) can and cannot show."""
    number, people = len(pairs), int(pairs["people"].max())
    shown = pairs[pairs["p_holm"] < SIGNIFICANCE]
    alone = pairs[(pairs["p"] < SIGNIFICANCE) & (pairs["p_holm"] >= SIGNIFICANCE)]
    compared = "One pair of models was" if number == 1 else f"{number} pairs of models were"
    text = [f"{compared} compared on {people} people."]
    least = number * pairs["smallest_p"].min()
    if least >= SIGNIFICANCE:
        text.append(
            "So few people cannot show that any pair differs, whatever their scores: the smallest p that they can "
            f"give is {min(least, 1):.2g} once it is adjusted for the number of pairs."
        )
    elif shown.empty:
        smallest = pairs["p_holm"].min()
        text.append(f"They show no difference in accuracy for any pair (smallest adjusted p: {smallest:.2g}).")
    else:
        text.append(f"They show that accuracy differs for {len(shown)}, in points: {_shown(shown)}.")
    if len(alone):
        names = "; ".join(f"{row.first} and {row.second}" for row in alone.itertuples())
        names = names if len(alone) < 4 else f"{len(alone)} {'others' if len(shown) else 'pairs'}"
        text.append(
            f"Unadjusted, p falls below {SIGNIFICANCE:g} for {names}{' as well' if len(shown) else ''}; among {number} "
            "pairs that can happen by chance."
        )
    low, high = (f"{100 * value:.1f}" for value in (pairs["detectable"].min(), pairs["detectable"].max()))
    span = f"{low} points" if low == high else f"{low} to {high} points, depending on the pair"
    text.append(
        f"The smallest true mean difference that a single test would detect in four of five such studies is {span}; "
        "smaller ones would mostly be missed, so a difference that is not shown may still exist."
    )
    return " ".join(text)


def _shown(shown: pd.DataFrame) -> str:
    # By the better model, whom it beats and by how much.
    beaten: dict[str, list[str]] = {}
    for row in shown.itertuples():
        better, worse = (row.second, row.first) if row.difference > 0 else (row.first, row.second)
        beaten.setdefault(better, []).append(f"{worse} ({100 * abs(row.difference):.1f}, p {row.p_holm:.2g})")
    return "; ".join(f"{better} over {', '.join(others)}" for better, others in beaten.items())


def describe_friedman(test: Friedman) -> str:
    """Whether models rank differently over people, and how far people agree about the order."""
    if test.p != test.p:
        return "Ranks cannot be tested for fewer than three models, or where all do the same."
    verdict = "show that some model does" if test.p < SIGNIFICANCE else "do not show that any model does"
    return (
        f"Friedman's test gives p = {test.p:.2g}: the ranks {verdict} better than another. The primary test is that of "
        "the pairs, which alone can name a model. "
        f"The agreement between people about the order is {test.agreement:.2f} (Kendall's W; 0: none, 1: full)."
    )


def describe_missing(leaderboard: pd.DataFrame) -> list[str]:
    """Who has no score, since their fold failed."""
    return [
        f"{row.task}, `{row.protocol}`, “{row.model}”: no score of {row.missing}, whose fold failed."
        for row in leaderboard[leaderboard["missing"] != ""].itertuples()
    ]


def describe_choice(leaderboard: pd.DataFrame, chosen: pd.DataFrame) -> list[str]:
    """How well the configuration `chosen` for each person does on one task, and which one a new person would get."""
    best = leaderboard.groupby("protocol")["accuracy"].max()
    sentences = [
        f"Under `{row.protocol}`, “chosen” classifies {100 * row.accuracy:.1f} % of the windows correctly "
        f"({100 * row.accuracy_low:.1f} to {100 * row.accuracy_high:.1f}), area under ROC {row.roc_auc:.3f}; the "
        f"highest score there is {100 * best[row.protocol]:.1f} %."
        for row in leaderboard[leaderboard["model"] == "chosen"].itertuples()
    ]
    return sentences + [
        f"Under `{row.protocol}`, a new person would get “{row.candidate}”."
        for row in chosen[chosen["subject"] == ""].itertuples()
    ]


def describe_temperatures(selection: pd.DataFrame) -> list[str]:
    """The temperature of each model for a new person, a sentence a protocol."""
    if selection.empty:
        return ["There are too few people to form groups: nothing was selected, and no probability was calibrated."]
    bound = ("", " (an end of the range that is searched: do not take it for calibrated)")
    single = selection[(selection["subject"] == "") & ~selection["candidate"].str.contains("+", regex=False)]
    return [
        f"Temperatures under `{protocol}`, for a new person: "
        + ", ".join(
            f"“{row.candidate}” {row.temperature:.2f}{bound[row.temperature in RANGE]}" for row in part.itertuples()
        )
        + "."
        for protocol, part in single.groupby("protocol", sort=False)
    ]


def describe_gains(gains: pd.DataFrame) -> list[str]:
    """What rest brings each model over its own cold start (:func:`~wesadlib.evaluation.comparison.gains`)."""
    sentences = []
    for row in gains.itertuples():
        verdict = "not shown to differ from its cold start"
        if row.p_holm < SIGNIFICANCE:
            verdict = "better than its cold start" if row.difference > 0 else "worse than its cold start"
        sentences.append(
            f"“{row.model}” is {verdict} by a test over people: {100 * row.difference:+.1f} points of accuracy "
            f"({100 * row.difference_low:+.1f} to {100 * row.difference_high:+.1f}), p = {row.p:.2g}, "
            f"adjusted for {len(gains)} models: {row.p_holm:.2g}."
        )
    return sentences


def describe_rise(row: pd.Series) -> str:
    """What the end of a learning curve (a row of :func:`~wesadlib.evaluation.learning.rise`) says of more people."""
    interval = f"({100 * row['low']:+.1f} to {100 * row['high']:+.1f})"
    text = (
        f"From {row['smallest']} to {row['largest']} training people, accuracy of “{row['model']}” changes by "
        f"{100 * row['rise']:+.1f} points {interval} for each doubling, mean of {row['people']} people; p = "
        f"{row['p']:.2g}."
    )
    if row["p"] >= SIGNIFICANCE:
        return (
            f"{text} So neither a rise nor a plateau is shown, and what more people would bring stays open: a rise "
            f"must reach about {100 * row['detectable']:.1f} points a doubling to be detected in four of "
            "five such studies."
        )
    if row["rise"] < 0:
        return f"{text} So more people made it worse."
    return (
        f"{text} So more people helped; if the line continued beyond the people recorded, {2 * row['largest']} people "
        "would add about as much again."
    )


def describe_gaps(gaps: pd.DataFrame) -> list[str]:
    """Whether models claim too much (:func:`~wesadlib.evaluation.abstention.confidence_gap`)."""
    undecided = "these people do not show that it claims too much or too little."
    return [
        f"“{row.model}” claims {100 * row.confidence:.1f} % on average and achieves {100 * row.accuracy:.1f} %: a gap "
        f"of {100 * row.gap:+.1f} points, interval over people {100 * row.gap_low:+.1f} to {100 * row.gap_high:+.1f}, "
        f"so {undecided if row.verdict == 'undecided' else f'it is {row.verdict}.'}"
        for row in gaps.itertuples()
    ]


def describe_abstention(curve: pd.DataFrame, threshold: float) -> str:
    """What abstaining below a threshold brings (:func:`~wesadlib.evaluation.abstention.risk_coverage_curve`)."""
    everything = curve[curve["threshold"] == 0].set_index("model")["accuracy"]
    sentences = [
        f"“{row.model}” answers {100 * row.coverage:.1f} % of the windows; {100 * row.accuracy:.1f} % of its answers "
        f"are correct, compared with {100 * everything[row.model]:.1f} % over all windows."
        if row.coverage
        else f"“{row.model}” answers no window."
        for row in curve[curve["threshold"] == threshold].itertuples()
    ]
    return f"At a confidence of {threshold:g}: {' '.join(sentences)}"


def describe_hours(people: pd.DataFrame) -> str:
    """How many people the alarms of one model and protocol detect, how soon, whom they miss, and the false alarms."""
    missed = people.loc[people["detected"] < 1, "subject"].tolist()
    worst = people.loc[people["false_alarms_per_h"].idxmax()]
    none = people.loc[people["false_alarms_per_h"] == 0, "subject"]
    late = people["latency_s"].median()
    return (
        f"For {len(people) - len(missed)} of {len(people)} people an alarm is on within three minutes of the task's "
        f"start{' (median ' + format(late, '.0f') + ' s over all people)' if late < float('inf') else ''}; missed: "
        f"{', '.join(missed) or 'nobody'}. False alarms: {people['false_alarms_per_h'].mean():.2f} an hour on average, "
        f"none for {len(none)} people, most for {worst['subject']}: {worst['false_alarms_per_h']:.1f} an hour."
    )


def describe_shapes(compared: pd.DataFrame, model: str) -> str:
    """What a model still knows where only shapes are left, where none is, and of pieces how short."""
    fixed, shuffled, again = _shape_rows(compared, model)
    kept, ranked = _pieces_kept(fixed["difference"], -LITTLE), _pieces_kept(fixed["roc_auc"], RANKED)
    return (
        f"“{model}” classifies {100 * fixed.loc['whole', 'accuracy']:.1f} % of whole windows correctly. Where every "
        f"window has the same level and spread, so that only shapes are left, it classifies "
        f"{_with_difference(fixed.loc['level and spread removed'])}; where samples are shuffled, so that no shape is "
        f"left, {_with_difference(fixed.loc['samples shuffled'])}"
        f"{f', or {_with_difference(shuffled)} if trained again on such windows' if again else ''}. With pieces in "
        f"random order it loses less than {100 * LITTLE:.0f} points down to {kept}; its area within the person stays "
        f"above {RANKED:g} down to {ranked}."
    )


def describe_claim(scores: pd.DataFrame, compared: pd.DataFrame, model: str) -> str:
    """Whether a network wins because it sees local shapes, by the tables of :mod:`~wesadlib.evaluation.held_out`."""
    fixed, shuffled, _ = _shape_rows(compared, model)
    whole = scores[(scores["part"] == "permuted") & (scores["condition"] == "whole")]
    accuracy = whole.pivot(index="subject", columns="model", values="accuracy")
    best = accuracy.drop(columns=model).mean().idxmax()
    test = paired_test(accuracy[best], accuracy[model])
    wins = test.p_permutation < SIGNIFICANCE and test.difference > 0
    shapes = shuffled["p_holm"] < SIGNIFICANCE and shuffled["difference"] < 0
    shapes &= fixed.loc["level and spread removed", "difference"] > -LITTLE
    verdict = {
        (True, True): "The claim holds here",
        (True, False): "Half of the claim holds: the network decides by shapes, but is not shown to win",
        (False, True): "Half of the claim holds: the network wins, but it is not shown to do so by shapes",
        (False, False): "The claim is not shown: neither that the network wins, nor that it decides by shapes",
    }[bool(shapes), bool(wins)]
    number = int(compared["p"].notna().sum())
    ahead = f"{100 * test.difference:+.1f} points [{100 * test.low:+.1f}, {100 * test.high:+.1f}]"
    return (
        f"{verdict}. The accuracy of “{model}” less that of “{best}”, which sees statistics of the same windows, is "
        f"{ahead} (p = {round_p(test.p_permutation)}; {test.people} people, one seed); without shapes "
        f"the network's changes by {100 * shuffled['difference']:+.1f} points (adjusted "
        f"p = {round_p(shuffled['p_holm'])}). {number} conditions were compared with whole "
        "windows; p is adjusted for all of them."
    )


def _shape_rows(compared: pd.DataFrame, model: str) -> tuple[pd.DataFrame, pd.Series, bool]:
    """A model's rungs, its row of shuffled samples, and whether the latter is of the model trained again."""
    rows = compared[compared["model"] == model].set_index(["part", "condition"])
    part = next(part for part in ("again", "fixed") if (part, "samples shuffled") in rows.index)
    return rows.loc["fixed"], rows.loc[(part, "samples shuffled")], part == "again"


def _pieces_kept(values: pd.Series, least: float) -> str:
    """The shortest pieces at which, as at all longer ones, the values of rungs are above some."""
    pieces = values[values.index.str.startswith("pieces")]
    kept = pieces[(pieces > least).cummin()]
    return f"{kept.index[-1].removeprefix('pieces of ')}" if len(kept) else "none"


def _with_difference(row: pd.Series) -> str:
    difference, low, high = (100 * row[name] for name in ("difference", "low", "high"))
    return f"{100 * row['accuracy']:.1f} % ({difference:+.1f} points [{low:+.1f}, {high:+.1f}])"
