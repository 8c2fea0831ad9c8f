"""A cohort in three tables: who the people are, what they went through when, what they said they felt."""

from dataclasses import dataclass

import pandas as pd
from tqdm.auto import tqdm

from wesadlib.data.check import summarise_recording
from wesadlib.data.protocol import label_blocks
from wesadlib.data.quest import PERSON_FIELDS, score_stai
from wesadlib.data.recording import LABELS, Recording
from wesadlib.data.wesad import Cohort

#: What was reported after each condition; see :func:`describe_cohort`.
REPORTS = ("stai", "arousal", "valence")

_STATES = [state for state in LABELS.values() if state != "transient"]


@dataclass(frozen=True)
class CohortOverview:
    """What is known of a cohort without looking at its signals.

    Attributes
    ----------
    people : DataFrame
        A row a subject: ``subject``, what the readme says, what
        :func:`~wesadlib.data.check.summarise_recording` counts, and ``<report>_<state>``, NaN where it was not asked.
    blocks : DataFrame
        A row a labelled block: ``subject``, ``state``, ``start_s``, ``end_s``; transients left out.
    reports : DataFrame
        A row a person and state, in the order of the labels' codes: ``subject``, ``state``, ``stai`` (6 calm to 24
        anxious), ``arousal`` and ``valence`` (1 to 9), NaN where they were not asked; meditation, which comes twice, as
        the mean of the answers.
    """

    people: pd.DataFrame
    blocks: pd.DataFrame
    reports: pd.DataFrame


def describe_cohort(
    cohort: Cohort, *, window_s: float = 60.0, hop_s: float = 30.0, progress: bool = False
) -> CohortOverview:
    """Load each recording once and put together what is known of it beside its signals.

    Parameters
    ----------
    cohort : Cohort
        Recordings, of which one at a time is in memory.
    window_s, hop_s : float
        Length of a window, and from one's start to the next, s.
    progress : bool
        Show a progress bar.
    """
    people, blocks, reports = [], [], []
    for recording in tqdm(cohort, desc="people", unit="person", disable=not progress, total=len(cohort)):
        report = _reports(recording)
        wide = {f"{name}_{state}": report.loc[state, name] for name in REPORTS for state in _STATES}
        people.append(
            {
                "subject": recording.subject,
                **dict.fromkeys(PERSON_FIELDS),
                **recording.person,
                **summarise_recording(recording, window_s=window_s, hop_s=hop_s),
                **wide,
            }
        )
        runs = label_blocks(recording.labels)
        blocks.append(
            runs.loc[runs["state"].isin(_STATES), ["state", "start_s", "end_s"]].assign(subject=recording.subject)
        )
        reports.append(report.reset_index().assign(subject=recording.subject))
    return CohortOverview(
        people=pd.DataFrame(people),
        blocks=pd.concat(blocks, ignore_index=True)[["subject", "state", "start_s", "end_s"]],
        reports=pd.concat(reports, ignore_index=True)[["subject", "state", *REPORTS]],
    )


def _reports(recording: Recording) -> pd.DataFrame:
    answers = recording.questionnaires
    if not answers:
        return pd.DataFrame(float("nan"), index=pd.Index(_STATES, name="state"), columns=list(REPORTS))
    asked = pd.concat([score_stai(answers["stai"]), answers["dim"]], axis=1)
    return asked.groupby(level=0).mean().reindex(_STATES).rename_axis("state")[list(REPORTS)]
