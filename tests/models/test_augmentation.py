"""Windows that could have been measured as well."""

import torch

from wesadlib.models.augmentation import Augmentation


def draw(windows: int = 200, channels: int = 3, samples: int = 50) -> torch.Tensor:
    return torch.randn(windows, channels, samples, generator=torch.Generator().manual_seed(0)) + 4


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_shift_turns_all_channels_of_a_window_together():
    signal = draw()
    shifted = Augmentation(lost=0.0)(signal, generator())
    starts = []
    for before, after in zip(signal, shifted, strict=True):
        (start,) = (k for k in range(50) if torch.equal(torch.roll(before, -k, dims=-1), after))
        starts.append(start)
    assert len(set(starts)) > 40


def test_mirrored_axes_swing_the_other_way_about_the_same_mean_in_half_of_the_windows():
    signal = draw(windows=400)
    mirrored = Augmentation(mirrored=(1,), lost=0.0)(signal, generator())
    plain = Augmentation(lost=0.0)(signal, generator())
    assert torch.equal(mirrored[:, [0, 2]], plain[:, [0, 2]])
    assert torch.allclose(mirrored.mean(-1), plain.mean(-1), atol=1e-5)
    turned = (mirrored[:, 1] - plain[:, 1]).abs().amax(-1) > 1e-3
    assert 150 < turned.sum() < 250
    swing = plain[turned, 1] - plain[turned, 1].mean(-1, keepdim=True)
    assert torch.allclose(mirrored[turned, 1] - mirrored[turned, 1].mean(-1, keepdim=True), -swing, atol=1e-5)


def test_a_lost_channel_is_lost_whole_and_as_often_as_asked():
    gone = Augmentation(lost=0.2)(draw(windows=1000), generator()).isnan()
    assert torch.equal(gone.any(-1), gone.all(-1))
    assert 0.17 < gone.all(-1).float().mean() < 0.23


def test_missing_samples_stay_missing_and_the_others_stay_samples():
    signal = draw()
    signal[:, 0, :10] = torch.nan
    signal[0, 1] = torch.nan
    augmented = Augmentation(mirrored=(0, 1), lost=0.0)(signal, generator())
    assert torch.equal(augmented.isnan().sum(-1), signal.isnan().sum(-1))


def test_the_generator_decides_and_the_windows_given_stay():
    signal = draw()
    before, augmentation = signal.clone(), Augmentation(mirrored=(0,))
    first, again, other = (augmentation(signal, generator(seed)).nan_to_num(-9) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(signal, before)
