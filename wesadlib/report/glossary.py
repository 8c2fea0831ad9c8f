"""What every key of a summary and every column of the tables beside it means, in one place."""

#: Key of ``summary.json`` -> its meaning.
SUMMARY: dict[str, str] = {
    "subject": "name of the person: that of the file or folder",
    "path": "the recording that was read",
    "device": "what recorded it, as far as the files tell",
    "start": "when it began, in UTC; null where the files do not tell",
    "duration_s": "its length, s",
    "channels": "of each channel its units, rate_hz, missing_share and states: the share of minutes in each",
    "gaps": "stretches of at least a second without a sample: channel, start_s, end_s",
    "worn_share": "share of all minutes, gaps included, in which somebody wore the device",
    "judged_share": "share of its windows that were worn and of good enough quality to be judged",
    "window_s": "length of a window, s",
    "step_s": "from one window's start to the next, s",
    "windows": "number of windows",
    "answered": "windows for which the model names a state",
    "abstained": "windows that were judged and for which no state is probable enough to be named",
    "exertion": "how many of the abstained are so because the wrist moves as in exercise",
    "rejected": "windows that were not judged, because nobody wore the device or a signal was too poor",
    "states": "of each state the windows for which it was named, and their share of those answered",
    "reasons": "why windows were rejected: the worst channel and rule -> number of windows",
    "alarms": "when alarms were on by the model's rule: start_s, end_s; null where it has none",
    "because": "what moved the model most in the windows that it gave its last state, else in all, the strongest first",
    "rest": "the person's rest that was used: start_s, end_s, windows; null for a cold start",
    "protocol": "cold_start, rest_calibrated where the person's rest was used; running_cold and running_reference "
    "where the threshold followed the person as well",
    "min_confidence": "below this probability of the most probable state the model abstains",
    "bundle": "the model: path, version, name, device, subjects it has learnt from, whether they were simulated",
    "bundle_score": "the model's accuracy on people it had not seen, under the same protocol, with its interval; of "
    "several laboratories the lowest",
    "bundle_scores": "the same for each laboratory that was left out of training",
    "unlike_training": "in a sentence, where this person lies outside all people the model has learnt from",
    "far_from_home": "the readings compared for it, the strangest first",
    "problems": "what is wrong with the recording: values that no sensor on a wrist shows, missing minutes",
    "notes": "what was done to the recording that a reader has to know",
    "command": "the command that wrote this",
    "wesadlib_version": "version of the library",
    "key": "digest of input, bundle, options and library, by which the same question is known again",
}

#: Column of ``predictions.csv`` -> its meaning.
PREDICTIONS: dict[str, str] = {
    "start_s": "where the window starts, seconds from the start of the recording",
    "end_s": "where it ends",
    "status": "answered, abstained or rejected",
    "state": "the state that is named; empty unless answered",
    "p_<state>": "probability of the state; empty where rejected",
    "confidence": "probability of the most probable state; empty where rejected",
    "reasons": "why the window was rejected, worst first; of one that was not, what the answer did without, or "
    "exertion where it was abstained from for exercise",
    "alarm": "whether an alarm is on, told at the end of the window; empty where the model has no rule for alarms",
}

#: Column of ``people.csv`` -> its meaning.
PEOPLE: dict[str, str] = {
    "person": "name of the person, and of the folder with this one's answer",
    **{name: SUMMARY[name] for name in ("device", "start", "duration_s", "worn_share", "judged_share")},
    **{name: SUMMARY[name] for name in ("windows", "answered", "abstained", "rejected")},
    "share_<state>": "share of the answered windows for which the state was named",
    "unlike_training": SUMMARY["unlike_training"],
    "problem": "why there is no answer",
}


def list_meanings() -> dict[str, dict[str, str]]:
    """Heading -> names and their meanings, of every file that ``wesad predict`` writes and of what a minute can be."""
    from wesadlib.quality.wear import SIGNS_OF_NO_WEAR, WEAR_RULES

    minutes = {
        rule.name: f"{rule.definition} {rule.cutoff:g} {rule.unit}, of {', '.join(rule.signals)}" for rule in WEAR_RULES
    }
    # By the first rule that holds.
    minutes |= {
        "good": "none of these",
        "not worn": f"of cold, still and not touching, at least {SIGNS_OF_NO_WEAR} hold",
    }
    return {"summary.json": SUMMARY, "predictions.csv": PREDICTIONS, "people.csv": PEOPLE, "a minute": minutes}
