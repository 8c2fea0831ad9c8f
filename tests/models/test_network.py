"""The architecture: its size, its normalisation, what missing samples may do."""

import numpy as np
import pytest
import torch
from torch import nn
from wesadlib.models.levels import RobustScale, WindowNormalisation, quantisation_noise

from wesadlib.errors import InputError
from wesadlib.models.layers import count_multiply_accumulates, count_parameters, describe_blocks, describe_layers
from wesadlib.models.network import ResidualStage, ResNet1D, SqueezeExcitation

UNITS = ["a.u.", "uS", "degC", "g", "g", "g", "mV"]
SHAPE = (7, 2100)


@pytest.fixture
def network() -> ResNet1D:
    torch.manual_seed(0)
    return ResNet1D(UNITS, 2, width=8).eval()


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("width", "parameters"), [(64, 0.96e6), (16, 62e3)])
def test_the_network_has_the_size_that_is_stated(width, parameters):
    assert count_parameters(ResNet1D(UNITS, 2, width=width)) == pytest.approx(parameters, rel=0.01)


def test_levels_cost_two_weights_a_channel_and_state():
    with_levels, without = (count_parameters(ResNet1D(UNITS, 3, 8, levels=levels)) for levels in (True, False))
    assert with_levels - without == 2 * 7 * 3


def test_the_layers_follow_the_description(network):
    table = describe_layers(network, SHAPE).set_index("layer")
    convolutions = table[(table["kind"] == "Conv2d") & ~table.index.str.contains("shortcut")]
    assert convolutions["kernel"].tolist() == [15, 7, 7, 7, 7, 5, 5, 5, 5]
    assert convolutions["stride"].tolist() == [2, 1, 1, 2, 1, 1, 1, 2, 1]
    assert convolutions["maps"].tolist() == [8, 8, 8, 16, 16, 16, 16, 32, 32]
    assert convolutions["samples"].tolist() == [1050, 525, 525, 263, 263, 263, 263, 132, 132]
    assert table.loc["stem.3", ["kind", "samples"]].tolist() == ["MaxPool2d", 525]
    assert table["kind"].value_counts()[["Dropout2d", "Dropout"]].tolist() == [4, 1]
    assert table.index[-1] == "head"
    assert table.loc["head", ["maps", "samples"]].tolist() == [2, 1]
    assert table["parameters"].sum() == count_parameters(network)


def test_multiply_accumulates_are_those_of_a_hand_count(network):
    table = describe_layers(network, SHAPE).set_index("layer")["multiply_accumulates"]
    assert table["stem.0"] == 7 * 15 * 8 * 1050
    assert table["stages.1.convolution_1"] == 8 * 7 * 16 * 263
    assert table["stages.1.shortcut.0"] == 8 * 1 * 16 * 263
    assert table["head"] == (32 + 14) * 2
    assert table["normalisation"] == table["stem.1"] == 0
    assert count_multiply_accumulates(network, SHAPE) == table.sum()


def test_multiply_accumulates_agree_with_the_counter_of_torch(network):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *SHAPE))
    # That counter leaves out the biases' addition as we do, and calls a multiplication with addition two operations.
    assert count_multiply_accumulates(network, SHAPE) == counter.get_total_flops() / 2


def test_blocks_hold_all_that_their_layers_hold(network):
    layers = describe_layers(network, SHAPE)
    blocks = describe_blocks(layers).set_index("block")
    stages = [f"residual stage {number}" for number in (1, 2, 3, 4)]
    assert blocks.index.tolist() == ["normalisation", "stem", *stages, "pool", "head"]
    assert blocks["maps"].tolist() == [7, 8, 8, 16, 16, 32, 32, 2]
    assert blocks["samples"].tolist() == [2100, 525, 525, 263, 263, 132, 1, 1]
    assert blocks.loc["stem":"residual stage 4", "kernel"].tolist() == [15, 7, 7, 5, 5]
    assert blocks.loc["stem":"residual stage 4", "stride"].tolist() == [2, 1, 2, 1, 2]
    assert blocks["parameters"].sum() == layers["parameters"].sum()
    assert blocks["multiply_accumulates"].sum() == layers["multiply_accumulates"].sum()


def test_describing_leaves_the_network_as_it_was(network):
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    describe_layers(network, SHAPE)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_normalisation_centres_and_scales_each_channel_by_itself():
    signal = draw(3, 2, 500) * torch.tensor([50.0, 0.5])[:, None] + torch.tensor([0.0, 33.0])[:, None]
    normal, levels = WindowNormalisation(["mV", "mV"])(signal)
    assert torch.allclose(normal.mean(-1), torch.zeros(3, 2), atol=1e-4)
    assert torch.allclose(normal.std(-1, correction=0), torch.ones(3, 2), atol=1e-4)
    assert torch.allclose(levels[:, :2], signal.mean(-1), atol=1e-4)
    assert torch.allclose(levels[:, 2:].exp(), signal.std(-1, correction=0), rtol=1e-4)


def test_normalisation_does_not_see_gain_and_offset_and_the_levels_do():
    normalisation = WindowNormalisation(["a.u."])
    signal = draw(4, 1, 300)
    normal, levels = normalisation(signal)
    moved, moved_levels = normalisation(3 * signal + 7)
    assert torch.allclose(normal, moved, atol=1e-4)
    assert torch.allclose(moved_levels[:, 0], 3 * levels[:, 0] + 7, atol=1e-4)
    assert torch.allclose(moved_levels[:, 1], levels[:, 1] + np.log(3), atol=1e-4)


def test_a_flat_channel_becomes_zeros_and_rounding_is_not_magnified():
    coarse, fine = WindowNormalisation(["g"]), WindowNormalisation(["mV"])
    flat = torch.full((1, 1, 350), 0.7)
    normal, levels = coarse(flat)
    assert normal.abs().max() < 1e-3
    assert levels[0, 1].item() == pytest.approx(np.log(quantisation_noise(["g"])[0]), abs=1e-3)
    flicker = flat.clone()
    flicker[0, 0, ::50] += 1 / 64
    assert coarse(flicker)[0].abs().max() < 3.5 < fine(flicker)[0].abs().max()


def test_the_mean_of_skin_conductance_is_read_as_its_logarithm_down_to_the_quantisation_noise():
    signal = torch.tensor([[[8.0, 8.0], [8.0, 8.0]], [[0.0, 0.0], [0.0, 0.0]], [[-1.0, -1.0], [-1.0, -1.0]]])
    signal[0, :, 1] = torch.nan
    _, levels = WindowNormalisation(["uS", "degC"])(signal)
    floor = np.log(quantisation_noise(["uS"])[0])
    assert levels[:, 0].tolist() == pytest.approx([np.log(8), floor, floor], rel=1e-5)
    assert levels[:, 1].tolist() == [8, 0, -1]


def test_quantisation_noise_is_that_of_rounding():
    rounded = np.round(np.random.default_rng(0).uniform(-2, 2, 100_000) * 64) / 64
    values = np.random.default_rng(0).uniform(-2, 2, 100_000)
    assert quantisation_noise(["g"])[0] == pytest.approx((rounded - values).std(), rel=0.02)


def test_an_unknown_unit_is_refused_with_those_allowed():
    with pytest.raises(InputError, match=r"unit `furlong`; the network knows g, degC"):
        quantisation_noise(["g", "furlong"])


def test_missing_samples_stand_at_the_channels_mean():
    signal = draw(1, 2, 400) + 30
    gap = signal.clone()
    gap[0, 0, 100:300] = torch.nan
    normal, levels = WindowNormalisation(["a.u.", "degC"])(gap)
    present = torch.cat([signal[0, 0, :100], signal[0, 0, 300:]])
    assert (normal[0, 0, 100:300] == 0).all()
    assert levels[0, 0].item() == pytest.approx(present.mean().item(), abs=1e-4)
    assert levels[0, 2].item() == pytest.approx(present.std(correction=0).log().item(), abs=1e-3)
    assert torch.equal(normal[:, 1], WindowNormalisation(["a.u.", "degC"])(signal)[0][:, 1])


def test_a_channel_without_a_sample_becomes_zeros_with_unknown_levels():
    signal = draw(1, 2, 400)
    signal[0, 1] = torch.nan
    normal, levels = WindowNormalisation(["a.u.", "degC"])(signal)
    assert (normal[0, 1] == 0).all()
    assert levels.isnan().tolist() == [[False, True, False, True]]


def test_levels_are_scaled_by_the_training_windows_that_have_them(network):
    signal = draw(50, 7, 300) * torch.linspace(0.5, 2, 50)[:, None, None] + torch.arange(50.0)[:, None, None]
    signal[:25, 2] = torch.nan
    signal[:, 3] = torch.nan
    network.learn_scale(signal)
    _, levels = network.normalisation(signal)
    low, middle, high = np.quantile(levels[:, 0], [0.25, 0.5, 0.75])
    assert network.scale.median[0].item() == pytest.approx(middle, rel=1e-4)
    assert network.scale.spread[0].item() == pytest.approx((high - low) / 1.349, rel=1e-4)
    assert network.scale.median[2].item() == pytest.approx(levels[25:, 2].median().item(), rel=0.05)
    assert (network.scale.median[3].item(), network.scale.spread[3].item()) == (0, 1)


def test_far_from_the_training_windows_the_scale_is_logarithmic_and_near_them_linear():
    scale = RobustScale(1)
    scale.learn(draw(4001, 1) * 3 + 5)
    near, far, further = scale(torch.tensor([[5.3], [305.0], [3005.0]]))[:, 0].tolist()
    assert near == pytest.approx(0.1, abs=0.05)
    assert further - far == pytest.approx(np.log(10), abs=0.01)
    assert scale(torch.tensor([[torch.nan]])).isnan().all()


def test_a_value_that_half_of_the_windows_share_is_scaled_by_its_standard_deviation_and_a_constant_by_one():
    values = torch.zeros(100, 2)
    values[:20, 0] = 6.0
    scale = RobustScale(2)
    scale.learn(values)
    assert scale.median.tolist() == [0, 0]
    assert scale.spread.tolist() == pytest.approx([2.4, 1.0], rel=1e-4)


def test_an_unknown_level_stands_at_the_training_windows_median(network):
    signal = draw(20, 7, 300) + 5
    network.learn_scale(signal)
    gone = signal[:1].clone()
    gone[0, 2] = torch.nan
    _, measures = network.prepare(gone)
    assert (measures[0, [2, 9]] == 0).all()
    assert (measures[0, [0, 1, 3, 4, 5, 6]] != 0).all()


def test_with_rest_the_head_sees_levels_and_how_far_they_are_from_rest():
    network = ResNet1D(UNITS, 2, 4, rest=True).eval()
    signal = draw(30, 7, 300) + 5
    network.learn_scale(signal)
    rest = network.measure(signal).mean(0).expand(30, 14).clone()
    rest[1, 3] = torch.nan
    network.learn_rest_scale(signal, None, rest)
    _, measures = network.prepare(signal, None, rest)
    assert measures.shape == (30, 28)
    assert torch.equal(measures[:, :14], network.measure(signal))
    difference = measures[:, :14] - rest
    assert torch.allclose(measures[:, 14], torch.asinh(difference[:, 0] / network.rest_scale.spread[0]), atol=0.3)
    assert measures[1, 17] == 0 != measures[2, 17]
    assert count_parameters(network) - count_parameters(ResNet1D(UNITS, 2, 4)) == (14 + 16) * 2


def test_features_join_the_levels():
    network = ResNet1D(UNITS, 2, 4, features=3).eval()
    signal, features = draw(30, 7, 300), draw(30, 3) * 40
    features[0, 1] = torch.nan
    network.learn_scale(signal, features)
    _, measures = network.prepare(signal, features)
    assert measures.shape == (30, 14 + 3)
    assert measures[0, 15] == 0
    low, high = np.quantile(features[:, 2], [0.25, 0.75])
    assert network.scale.spread[16].item() == pytest.approx((high - low) / 1.349, rel=1e-4)


@pytest.mark.parametrize("levels", [True, False])
def test_without_levels_gain_and_offset_change_nothing(levels):
    torch.manual_seed(0)
    network = ResNet1D(UNITS, 2, 4, levels=levels).eval()
    signal = 100 * draw(2, 7, 350)
    difference = (network(signal) - network(2 * signal + 9)).abs().max().item()
    assert (difference > 1e-3) == levels


def test_logits_are_finite_and_differentiable_whatever_is_missing(network):
    signal = draw(4, 7, 700)
    signal[0] = torch.nan
    signal[1, :, ::2] = torch.nan
    signal[2, 3] = 1.0
    values = signal.clone().requires_grad_()
    network(values).sum().backward()
    assert values.grad.isfinite().all()
    assert network(signal).isfinite().all()


def test_squeeze_and_excitation_weighs_whole_maps():
    torch.manual_seed(0)
    maps = draw(2, 16, 1, 40)
    ratio = SqueezeExcitation(16)(maps) / maps
    assert torch.allclose(ratio, ratio[..., :1].expand_as(ratio), atol=1e-5)
    assert ((ratio > 0) & (ratio < 1)).all()
    assert ratio[0, :, 0, 0].std() > 0


def test_a_stage_whose_branch_says_nothing_is_its_shortcut():
    stage = ResidualStage(8, 8, 7, 1, 0.0).eval()
    nn.init.zeros_(stage.norm_2.weight)
    maps = draw(2, 8, 1, 50)
    assert torch.equal(stage(maps), maps.relu())


def test_height_one_convolution_is_the_one_dimensional_one(network):
    convolution = network.stem[0]
    signal = draw(2, 7, 200)
    plain = nn.functional.conv1d(signal, convolution.weight[:, :, 0], stride=2, padding=7)
    assert torch.allclose(convolution(signal[:, :, None])[:, :, 0], plain, atol=1e-5)
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)
