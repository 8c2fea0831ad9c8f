import numpy as np
import torch

from wesadlib.models.network import ResNet1D
from wesadlib.models.rest import Rest

PERSON = torch.tensor([0, 2, 0, 2, 2, 0, 2])


def rest_of(channels: int = 2, samples: int = 64) -> Rest:
    return Rest(torch.randn(len(PERSON), channels, samples, generator=torch.Generator().manual_seed(0)), PERSON)


def test_means_are_of_each_person_and_nobody_else():
    values = torch.arange(14.0).reshape(7, 2)
    expected = [[14 / 3, 17 / 3], [0, 0], [7, 8]]
    assert np.allclose(rest_of().mean_of_each(values), expected)


def test_some_people_keep_their_windows_and_their_numbers():
    rest = rest_of()
    theirs = rest.of(torch.tensor([2, 2]))
    assert theirs.person.tolist() == [2, 2, 2, 2]
    assert torch.equal(theirs.normal, rest.normal[[1, 3, 4, 6]])


def test_a_draw_takes_few_of_each_without_doubles_and_differs_from_the_next():
    rest, generator = rest_of(), torch.Generator().manual_seed(1)
    draws = [rest.draw(torch.tensor([0, 2]), 2, generator) for _ in range(20)]
    for drawn in draws:
        assert drawn.person.tolist() == [0, 0, 2, 2]
        assert not torch.equal(drawn.normal[0], drawn.normal[1])
    assert len({float(drawn.normal[0, 0, 0]) for drawn in draws}) == 3
    assert rest.draw(torch.tensor([0]), 5, generator).person.tolist() == [0, 0, 0]


def test_only_the_persons_own_rest_moves_the_logits_and_a_window_that_is_rest_differs_from_it_in_nothing():
    torch.manual_seed(0)
    network = ResNet1D(["g", "uS"], 2, width=4, rest=True).eval()
    rest, person = rest_of(), torch.tensor([0, 2, 2])
    normal, measures = torch.randn(3, 2, 64), torch.zeros(3, 8)
    before = network.classify(normal, measures, person, rest)
    other = rest._replace(normal=torch.where((PERSON == 2)[:, None, None], -rest.normal, rest.normal))
    after = network.classify(normal, measures, person, other)
    assert torch.allclose(before[0], after[0], atol=1e-6)
    assert (before[1:] - after[1:]).abs().min() > 1e-5
    # One window at rest, which is the window itself: the second half of the maps cancels.
    itself = Rest(normal[:1], torch.tensor([0]))
    maps = network.embed(normal[:1])[0]
    expected = network.head.weight[:, : len(maps)] @ maps + network.head.bias
    assert torch.allclose(network.classify(normal[:1], measures[:1], person[:1], itself)[0], expected, atol=1e-5)
