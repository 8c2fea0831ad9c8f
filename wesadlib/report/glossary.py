"""What every key of a summary and every column of the tables beside it means, in one place."""

#: Key of ``summary.json`` -> its meaning.
SUMMARY: dict[str, str] = {
    "subject": "name of the person: that of the file or folder",
    "path": "the recording that was read",
    "device": "the device that recorded it, as far as the files say",
    "start": "when it began, in UTC; null where the files do not say",
    "duration_s": "its length, s",
    "channels": "for each channel: units, rate_hz, missing_share, and states, the share of minutes of each quality",
    "gaps": "stretches of at least a second without a sample: channel, start_s, end_s",
    "worn_share": "share of all minutes, gaps included, in which somebody wore the device",
    "judged_share": "share of the windows in which the device was worn and the signals were good enough to be judged",
    "window_s": "length of a window, s",
    "step_s": "from one window's start to the next, s",
    "windows": "number of windows",
    "answered": "windows for which the model names a state",
    "abstained": "windows that were judged and for which no state is probable enough to be named",
    "exertion": "how many of the abstained windows were withheld because the wrist moves as in exercise",
    "rejected": "windows that were not judged, because nobody wore the device or a signal was too poor",
    "states": "for each state: the number of windows for which it was named, and their share of the answered windows",
    "reasons": "why windows were rejected: worst channel and rule, each with its number of windows",
    "alarms": "when alarms were on: start_s, end_s; null where the model has no rule for alarms",
    "because": "readings that moved the answer most, strongest first: in the windows for which the last of its states "
    "was named, or in all windows if there are none",
    "rest": "the person's rest that was used: start_s, end_s, windows; null for a cold start",
    "protocol": "what the model knew of the person: cold_start, nothing; rest_calibrated, the rest that was given; "
    "running_cold and running_reference, the same two with a threshold that follows the person",
    "min_confidence": "the model abstains where no state reaches this probability",
    "bundle": "the model: path, version, name, device, training people (subjects), whether they were simulated",
    "bundle_score": "the model's accuracy on people it had not seen, under the same protocol, with its interval; the "
    "lowest where it was tested in several laboratories",
    "bundle_scores": "the same for each laboratory in which it was tested",
    "unlike_training": "in a sentence, which of this person's readings lie outside those of all training people",
    "compared_with_training": "the readings that were compared for it, most unusual first",
    "problems": "what is wrong with the recording: values that no sensor on a wrist shows, missing minutes",
    "notes": "what was changed or assumed when the recording was read",
    "command": "the command that wrote this",
    "wesadlib_version": "version of the library",
    "key": "digest of input, model, options and library; the same call finds this answer by it",
}

#: Column of ``predictions.csv`` -> its meaning.
PREDICTIONS: dict[str, str] = {
    "start_s": "where the window starts, seconds from the start of the recording",
    "end_s": "where it ends",
    "status": "answered, abstained or rejected",
    "state": "the state that is named; empty unless answered",
    "p_<state>": "probability of the state; empty where rejected",
    "confidence": "probability of the most probable state; empty where rejected",
    "reasons": "why the window was rejected, worst first; for other windows, signals that the answer had to do "
    "without, or exertion where the model abstains because of exercise",
    "alarm": "whether an alarm is on at the end of the window; empty where the model has no rule for alarms",
}

#: Column of ``people.csv`` -> its meaning.
PEOPLE: dict[str, str] = {
    "person": "name of the person, and of the folder that holds the answer",
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
