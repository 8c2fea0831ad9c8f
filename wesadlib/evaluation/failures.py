"""Where models fail: the people they do worst on, and what happened there, minute by minute."""

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.errors import InputError


def hardest(by_subject: pd.DataFrame, number: int = 2) -> pd.DataFrame:
    """The people with the lowest accuracy, averaged over models.

    Parameters
    ----------
    by_subject : DataFrame
        As :func:`~wesadlib.evaluation.metrics.score` returns by subject.
    number : int, optional
        How many people, worst first.

    Returns
    -------
    DataFrame
        A row a person, indexed by `subject`; a column a model and `mean`.
    """
    table = by_subject.pivot(index="subject", columns="model", values="accuracy")
    return table.assign(mean=table.mean(axis=1)).sort_values("mean", kind="stable").head(number)


def timeline(windows: xr.Dataset, predictions: pd.DataFrame, subject: str, state: str = "stress") -> pd.DataFrame:
    """One person's windows in the order of time, with the signals that carry stress and what models said of each.

    Parameters
    ----------
    windows : Dataset
        The windows that were evaluated, with ``feature``.
    predictions : DataFrame
        Their predictions, of any models.
    subject : str
        The person.
    state : str, optional
        The state whose probability is wanted.

    Returns
    -------
    DataFrame
        Indexed by window: ``minute`` (of the window's middle), ``label``, ``accepted``, ``eda`` (uS; its mean),
        ``heart_rate`` (per minute; NaN where no rate can be read, or the device has no beats) and, for each model,
        ``p_<model>``: the probability that it gives the state, mean of its seeds.

    Raises
    ------
    InputError
        When there is no prediction of the person.
    """
    own = predictions[predictions["subject"] == subject]
    if own.empty:
        raise InputError(
            f"no prediction of {subject}; there are those of {', '.join(predictions['subject'].unique())}."
        )
    claimed = own.groupby(["window", "model"])[f"p_{state}"].mean().unstack("model").add_prefix("p_")
    described = own.drop_duplicates("window").set_index("window")[["start_s", "label", "accepted"]]
    chosen = windows.isel(window=described.index.to_numpy())
    table = described.assign(
        minute=(described["start_s"] + windows.attrs["window_s"] / 2) / 60,
        eda=_channel_mean(chosen, "_eda"),
        heart_rate=_feature(chosen, "_heart_rate"),
    )
    return table.join(claimed).sort_values("minute").drop(columns="start_s")


def _channel_mean(windows: xr.Dataset, ending: str) -> np.ndarray:
    names = [str(name) for name in windows["channel"].values if str(name).endswith(ending)]
    if not names:
        return np.full(windows.sizes["window"], np.nan)
    return windows["signal"].sel(channel=names[0]).mean("time", skipna=False).values.astype(float)


def _feature(windows: xr.Dataset, ending: str) -> np.ndarray:
    names = [str(name) for name in windows["feature_name"].values if str(name).endswith(ending)]
    if not names:
        return np.full(windows.sizes["window"], np.nan)
    return windows["feature"].sel(feature_name=names[0]).values
