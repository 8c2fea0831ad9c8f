"""Windows that could have been measured as well."""

import torch
from wesadlib.models.levels import WindowNormalisation

from wesadlib.models.augmentation import Augmentation


def draw(windows: int = 200, channels: int = 3, samples: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(windows, channels, samples, generator=generator) + 4
    return WindowNormalisation(["g"] * channels)(signal)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_shift_turns_all_channels_of_a_window_together():
    signal, measures = draw()
    shifted, same = Augmentation(channel_of=(0, 1, 2) * 2, lost=0.0)(signal, measures, generator())
    starts = []
    for before, after in zip(signal, shifted, strict=True):
        (start,) = (k for k in range(50) if torch.equal(torch.roll(before, -k, dims=-1), after))
        starts.append(start)
    assert len(set(starts)) > 40
    assert torch.equal(same, measures)


def test_mirrored_axes_swing_the_other_way_in_half_of_the_windows():
    signal, measures = draw(windows=400)
    options = {"channel_of": (0, 1, 2) * 2, "lost": 0.0}
    mirrored, same = Augmentation(mirrored=(1,), **options)(signal, measures, generator())
    plain, _ = Augmentation(**options)(signal, measures, generator())
    assert torch.equal(mirrored[:, [0, 2]], plain[:, [0, 2]])
    turned = (mirrored[:, 1] != plain[:, 1]).any(-1)
    assert 150 < turned.sum() < 250
    assert torch.equal(mirrored[turned, 1], -plain[turned, 1])
    assert torch.equal(same, measures)


def test_a_lost_channel_is_lost_whole_with_its_measures_and_as_often_as_asked():
    signal, measures = draw(windows=1000)
    measures = torch.cat([measures, torch.ones(1000, 1)], dim=1)
    altered, known = Augmentation(channel_of=(0, 1, 2, 0, 1, 2, -1), lost=0.2)(signal, measures, generator())
    gone = (altered == 0).all(-1)
    assert 0.17 < gone.float().mean() < 0.23
    assert torch.equal(known == 0, torch.cat([gone, gone, torch.zeros(1000, 1, dtype=bool)], dim=1))
    assert torch.equal(known[known != 0], measures[known != 0])


def test_the_generator_decides_and_the_windows_given_stay():
    signal, measures = draw()
    before, augmentation = signal.clone(), Augmentation(mirrored=(0,), channel_of=(0, 1, 2) * 2)
    first, again, other = (augmentation(signal, measures, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert torch.equal(signal, before)
