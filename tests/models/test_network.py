"""The architecture: its size, its normalisation, what missing samples may do."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from wesadlib.errors import InputError
from wesadlib.models.network import (
    ResidualStage,
    ResNet1D,
    RestWindows,
    SqueezeExcitation,
    describe_blocks,
    describe_layers,
)
from wesadlib.models.normalisation import RobustScale, WindowNormalisation, quantisation_noise

UNITS = ["a.u.", "uS", "degC", "g", "g", "g", "mV"]
SHAPE = (7, 2100)


@pytest.fixture
def network() -> ResNet1D:
    torch.manual_seed(0)
    return ResNet1D(UNITS, 2, width=8).eval()


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("width", "parameters"), [(64, 0.96e6), (16, 62e3)])
def test_the_network_has_the_size_that_is_stated(width, parameters):
    assert size(ResNet1D(UNITS, 2, width=width)) == pytest.approx(parameters, rel=0.01)


def test_levels_features_and_rest_cost_weights_of_the_head_alone():
    plain = size(ResNet1D(UNITS, 3, 8))
    assert plain - size(ResNet1D(UNITS, 3, 8, levels=False)) == 2 * 7 * 3
    assert size(ResNet1D(UNITS, 3, 8, features=5)) - plain == 5 * 3
    assert size(ResNet1D(UNITS, 3, 8, rest=True)) - plain == (14 + 32) * 3


def test_the_layers_follow_the_description(network):
    table = describe_layers(network, SHAPE).set_index("layer")
    convolutions = table[(table["kind"] == "Conv2d") & ~table.index.str.contains("shortcut")]
    assert convolutions["kernel"].tolist() == [15, 7, 7, 7, 7, 5, 5, 5, 5]
    assert convolutions["stride"].tolist() == [2, 1, 1, 2, 1, 1, 1, 2, 1]
    assert convolutions["maps"].tolist() == [8, 8, 8, 16, 16, 16, 16, 32, 32]
    assert convolutions["samples"].tolist() == [1050, 525, 525, 263, 263, 263, 263, 132, 132]
    assert table.loc["stem.3", ["kind", "samples"]].tolist() == ["MaxPool2d", 525]
    assert table.index[-1] == "head" and table.loc["head", ["maps", "samples"]].tolist() == [2, 1]
    assert table["parameters"].sum() == size(network)
    assert table.loc["stages.1.convolution_1", "multiply_accumulates"] == 8 * 7 * 16 * 263
    assert not any(module._forward_hooks for module in network.modules())


def test_multiply_accumulates_agree_with_the_counter_of_torch(network):
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *SHAPE))
    # That counter leaves out the biases' addition as we do, and calls a multiplication with addition two operations.
    assert describe_layers(network, SHAPE)["multiply_accumulates"].sum() == counter.get_total_flops() / 2


def test_blocks_hold_all_that_their_layers_hold(network):
    layers = describe_layers(network, SHAPE)
    blocks = describe_blocks(layers).set_index("block")
    stages = [f"residual stage {number}" for number in (1, 2, 3, 4)]
    assert blocks.index.tolist() == ["normalisation", "stem", *stages, "pool", "head"]
    assert blocks["maps"].tolist() == [7, 8, 8, 16, 16, 32, 32, 2]
    assert blocks["samples"].tolist() == [2100, 525, 525, 263, 263, 132, 1, 1]
    assert blocks.loc["stem":"residual stage 4", "kernel"].tolist() == [15, 7, 7, 5, 5]
    costs = ["parameters", "multiply_accumulates"]
    assert (blocks[costs].sum() == layers[costs].sum()).all()


def test_normalisation_sees_no_gain_and_offset_and_the_levels_are_these():
    signal = draw(4, 2, 500) * torch.tensor([50.0, 0.5])[:, None] + torch.tensor([0.0, 33.0])[:, None]
    normalisation = WindowNormalisation(["mV", "mV"])
    normal, levels = normalisation(signal)
    assert torch.allclose(normal.mean(-1), torch.zeros(4, 2), atol=1e-4)
    assert torch.allclose(normal.std(-1, correction=0), torch.ones(4, 2), atol=1e-4)
    assert torch.allclose(levels[:, :2], signal.mean(-1), atol=1e-4)
    assert torch.allclose(levels[:, 2:].exp(), signal.std(-1, correction=0), rtol=1e-4)
    moved, moved_levels = normalisation(3 * signal + 7)
    assert torch.allclose(normal, moved, atol=1e-4)
    assert torch.allclose(moved_levels[:, 2:], levels[:, 2:] + np.log(3), atol=1e-4)


def test_a_flat_channel_becomes_zeros_and_rounding_is_not_magnified():
    coarse, fine = WindowNormalisation(["g"]), WindowNormalisation(["mV"])
    flat = torch.full((1, 1, 350), 0.7)
    normal, levels = coarse(flat)
    assert normal.abs().max() < 1e-3
    assert levels[0, 1].item() == pytest.approx(np.log(quantisation_noise(["g"])[0]), abs=1e-3)
    flat[0, 0, ::50] += 1 / 64
    assert coarse(flat)[0].abs().max() < 3.5 < fine(flat)[0].abs().max()


def test_the_mean_of_skin_conductance_is_read_as_its_logarithm_down_to_the_quantisation_noise():
    signal = torch.tensor([[[8.0, 8.0], [8.0, 8.0]], [[0.0, 0.0], [0.0, 0.0]], [[-1.0, -1.0], [-1.0, -1.0]]])
    signal[0, :, 1] = torch.nan
    _, levels = WindowNormalisation(["uS", "degC"])(signal)
    floor = np.log(quantisation_noise(["uS"])[0])
    assert levels[:, 0].tolist() == pytest.approx([np.log(8), floor, floor], rel=1e-5)
    assert levels[:, 1].tolist() == [8, 0, -1]


def test_quantisation_noise_is_that_of_rounding_and_an_unknown_unit_is_refused():
    values = np.random.default_rng(0).uniform(-2, 2, 100_000)
    assert quantisation_noise(["g"])[0] == pytest.approx((np.round(values * 64) / 64 - values).std(), rel=0.02)
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


def test_a_scale_is_learnt_from_the_windows_that_have_the_value():
    values = draw(50, 4) * 3 + 5
    values[:25, 1] = values[:, 2] = torch.nan
    values[:, 3] = 0
    values[:10, 3] = 6.0
    scale = RobustScale(4)
    scale.learn(values)
    low, middle, high = np.quantile(values[:, 0], [0.25, 0.5, 0.75])
    assert scale.median[0].item() == pytest.approx(middle, rel=1e-4)
    assert scale.spread[0].item() == pytest.approx((high - low) / 1.349, rel=1e-4)
    assert scale.median[1].item() == pytest.approx(np.median(values[25:, 1]), rel=1e-4)
    assert (scale.median[2].item(), scale.spread[2].item()) == (0, 1)
    # A value that half of the windows share is scaled by its standard deviation.
    assert (scale.median[3].item(), scale.spread[3].item()) == pytest.approx((0, 2.4), rel=1e-4)


def test_far_from_the_training_windows_the_scale_is_logarithmic_and_near_them_linear():
    scale = RobustScale(1)
    scale.learn(draw(4001, 1) * 3 + 5)
    near, far, further = scale(torch.tensor([[5.3], [305.0], [3005.0]]))[:, 0].tolist()
    assert near == pytest.approx(0.1, abs=0.05)
    assert further - far == pytest.approx(np.log(10), abs=0.01)
    assert scale(torch.tensor([[torch.nan]])).isnan().all()


def test_what_is_unknown_stands_at_the_training_windows_median_and_rest_beside_it():
    network = ResNet1D(UNITS, 2, 4, features=1, rest=True).eval()
    measures, at_rest = draw(30, 15), draw(30, 15, seed=1)
    network.rest_scale.learn(measures - at_rest)
    measures[0, 2] = at_rest[1, 3] = torch.nan
    seen = network.compare(measures, at_rest)
    assert seen.shape == (30, 30) and torch.equal(seen[1:, :15], measures[1:])
    assert seen[0, 2] == seen[0, 17] == seen[1, 18] == 0
    assert torch.equal(seen[2, 15:], network.rest_scale(measures - at_rest)[2])
    assert (network.compare(measures)[:, 15:] == 0).all()


def test_a_network_answers_in_use_as_it_classifies_in_training():
    torch.manual_seed(0)
    network = ResNet1D(UNITS, 2, 4, features=3, rest=True).eval()
    signal, features, person = draw(6, 7, 300), draw(6, 3), torch.tensor([1, 0, 1, 0, 0, 1])
    rest, rest_features, whose = draw(5, 7, 300, seed=1), draw(5, 3, seed=1), torch.tensor([0, 0, 1, 1, 1])
    summary = network.summarise(rest, rest_features)
    means = torch.stack([summary[whose == k].mean(0) for k in (0, 1)])[person]
    logits = network(signal, features, means)
    normal, levels = network.normalisation(signal)
    measures = network.compare(network.scale(network.join_measures(levels, features)), means[:, : network.measures])
    moved = means + torch.cat([torch.zeros(network.measures), torch.ones(network.maps)])
    assert not torch.allclose(network(signal, features, moved), logits, atol=1e-3)
    at_rest = RestWindows(network.normalisation(rest)[0], whose)
    torch.testing.assert_close(network.classify(normal, measures, person, at_rest), logits)
    assert (at_rest.of(torch.tensor([1])).person == 1).all() and len(at_rest.of(torch.tensor([1])).normal) == 3


def test_squeeze_and_excitation_weighs_whole_maps():
    torch.manual_seed(0)
    maps = draw(2, 16, 1, 40)
    ratio = SqueezeExcitation(16)(maps) / maps
    assert torch.allclose(ratio, ratio[..., :1].expand_as(ratio), atol=1e-5)
    assert ((ratio > 0) & (ratio < 1)).all() and ratio[0, :, 0, 0].std() > 0


def test_a_stage_whose_branch_says_nothing_is_its_shortcut():
    stage = ResidualStage(8, 8, 7, 1, 0.0).eval()
    nn.init.zeros_(stage.norm_2.weight)
    maps = draw(2, 8, 1, 50)
    assert torch.equal(stage(maps), maps.relu())
