"""The table of all parameters, with what the profiles choose."""

from pathlib import Path

import pandas as pd
import yaml

from wesadlib.params import Params


def profile_files(folder: str | Path) -> list[Path]:
    """The profiles in a folder, by name: all YAML files but ``serve.yaml``, which is the server's."""
    return sorted(path for path in Path(folder).glob("*.yaml") if path.name != "serve.yaml")


def tabulate_params(folder: str | Path) -> pd.DataFrame:
    """Every parameter with its meaning, bounds, default and the values that the profiles in `folder` choose.

    Returns
    -------
    pandas.DataFrame
        A row a parameter: ``group parameter meaning bounds default`` and a column a
        profile, empty where the default holds.
    """
    profiles = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in profile_files(folder)}
    properties = Params.model_json_schema()["properties"]
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    rows = []
    for name, field in properties.items():
        bounds = [f"{sign} {field[bound]:g}" for bound, sign in signs.items() if bound in field]
        choices = field.get("enum") or field.get("items", {}).get("enum") or []
        rows.append(
            {
                "group": field["group"],
                "parameter": name,
                "meaning": field["description"],
                "bounds": ", ".join(bounds) or " | ".join(choices),
                "default": str(field["default"]),
                **{profile: str(values[name]) if name in values else "" for profile, values in profiles.items()},
            }
        )
    return pd.DataFrame(rows)
