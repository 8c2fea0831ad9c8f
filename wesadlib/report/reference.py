"""The small results of a run that are worth keeping in version control, for readers who do not have the recordings."""

import shutil
from pathlib import Path

from wesadlib import artefacts, plots
from wesadlib.errors import InputError
from wesadlib.evaluation import score
from wesadlib.plots.loso import plot_subjects

#: Files of a reference.
SUMMARY, PREDICTIONS, SUBJECTS, FIGURE = "summary.json", "predictions.parquet", "subjects.csv", "subjects.png"


def write_reference(run: artefacts.Run, folder: Path) -> Path:
    """Copy a run's summary and predictions, and derive from them the scores of each person and their figure.

    Parameters
    ----------
    run : Run
        A run of the whole book.
    folder : Path
        Where; what is there already is replaced as a whole.

    Returns
    -------
    Path
        The folder, with ``summary.json``, ``predictions.parquet``, ``subjects.csv`` and ``subjects.png``. No signal of
        anybody is in it.

    Raises
    ------
    InputError
        When the run has no summary or no predictions.
    """
    if not run.summary.is_file():
        raise InputError(f"{run.summary} is missing: run `wesad book` with the profile of `{run.name}` first.")
    predictions = run.read_table("predictions")
    subjects = score(predictions, by="subject")
    plots.style()
    with artefacts.replacing(folder) as partial:
        partial.mkdir(parents=True)
        shutil.copy(run.summary, partial / SUMMARY)
        shutil.copy(run.existing("predictions"), partial / PREDICTIONS)
        subjects.to_csv(partial / SUBJECTS, index=False, float_format="%.6g")
        plot_subjects(subjects, score(predictions)).savefig(partial / FIGURE, dpi=130)
    return folder
