"""Generators and discriminators of text: against slow references, and what ends and padding mean."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch.nn import functional as F

from multigan.adversarial.batch import Draws
from multigan.text.config import Cnn, Lstm, Recurrent, Transformer
from multigan.text.networks import Policy, Shape, build_discriminator, build_generator
from multigan.text.networks.policy import alive
from multigan.text.networks.sampler import Sampler
from multigan.text.rewards import complete
from multigan.text.sampling import block_of, draw, restrict

GENERATORS = [Lstm(kind="lstm", embedding=6, hidden=8), Transformer(kind="transformer", width=8, heads=2)]


def policy(
    kind: Lstm | Transformer, ends: bool = True, classes: int = 0, vocabulary: int = 7, length: int = 6
) -> Policy:
    torch.manual_seed(3)
    made = build_generator(kind, Shape(vocabulary, length, ends, classes)).double()
    with torch.no_grad():
        made.output.weight.mul_(8)  # far from uniform
    return made


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 700), st.integers(0, 2**31))
def test_a_symbol_is_where_the_running_sum_passes_the_noise(size: int, seed: int) -> None:
    torch.manual_seed(seed)
    logits = torch.randn(40, size, dtype=torch.float64) * 3
    uniform = torch.rand(40, dtype=torch.float64)
    naive = (torch.softmax(logits, 1).cumsum(1) <= uniform[:, None]).sum(1)
    assert torch.equal(draw(logits.clone(), uniform), naive)


def test_noise_at_the_ends_never_gives_a_symbol_of_no_weight() -> None:
    for size in (5, 400, 5000, 5003):
        logits = torch.full((2, size), -torch.inf)
        logits[:, size // 2 : size // 2 + 2] = 0.0
        found = draw(logits, torch.tensor([0.0, 1.0 - 2**-24]))
        assert found.tolist() == [size // 2, size // 2 + 1]


def test_blocks_are_about_the_root_of_the_vocabulary() -> None:
    assert 5000 % block_of(5000) == 0
    for size in (257, 1000, 4999, 100_000):
        assert 0.25 < block_of(size) ** 2 / size < 8


def test_drawn_symbols_have_their_probabilities() -> None:
    logits = torch.randn(1, 600, generator=torch.Generator().manual_seed(1)) * 2
    expected = torch.softmax(logits[0].double(), 0)
    drawn = draw(logits.expand(200_000, -1).clone(), torch.rand(200_000, generator=torch.Generator().manual_seed(2)))
    counts = torch.bincount(drawn, minlength=600)
    often = expected * len(drawn) >= 5
    observed = [*counts[often].tolist(), int(counts[~often].sum())]
    wanted = [*(expected[often] * len(drawn)).tolist(), float(expected[~often].sum() * len(drawn))]
    assert stats.chisquare(observed, wanted).pvalue > 1e-3


def test_top_k_and_top_p_leave_the_likeliest() -> None:
    logits = torch.log(torch.tensor([[0.1, 0.4, 0.3, 0.15, 0.05]]))
    kept = torch.isfinite(restrict(logits, torch.tensor(2), torch.tensor(1.0)))
    assert kept.tolist() == [[False, True, True, False, False]]
    kept = torch.isfinite(restrict(logits, torch.tensor(5), torch.tensor(0.75)))
    assert kept.tolist() == [[False, True, True, True, False]]
    kept = torch.isfinite(restrict(logits, torch.tensor(5), torch.tensor(0.0001)))
    assert kept.tolist() == [[False, True, False, False, False]]


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("classes", [0, 3])
def test_step_by_step_is_the_same_as_all_at_once(kind: Lstm | Transformer, classes: int) -> None:
    made = policy(kind, classes=classes)
    label = torch.arange(5) % 3 if classes else None
    uniform = torch.rand(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    texts = made.sample(uniform, label)
    logs, mask = made.likelihood(texts, label)
    state, before = made.begin(5, label), torch.zeros(5, dtype=torch.long)
    living = torch.ones(5, dtype=torch.bool)
    for step, traced in enumerate(made.trace(texts, label)):
        features, new = made.step(before, state)
        again, _ = made.step(before, traced)
        assert torch.allclose(features, again, atol=1e-12)
        chances = torch.softmax(made.logits(features), 1)
        drawn = (chances.cumsum(1) <= uniform[:, step, None]).sum(1) * living
        assert torch.equal(drawn, texts[:, step])
        assert torch.equal(mask[:, step], living)
        expected = torch.log(chances.gather(1, drawn[:, None])[:, 0]) * living
        assert torch.allclose(logs[:, step], expected, atol=1e-9)
        state, before, living = new, drawn, living & (drawn != 0)


@pytest.mark.parametrize("kind", GENERATORS)
def test_padding_changes_nothing(kind: Lstm | Transformer) -> None:
    made = policy(kind)
    text = torch.tensor([[3, 1, 4, 0, 0, 0]])
    long, _ = made.likelihood(text)
    short, mask = made.likelihood(text[:, :4])
    assert torch.allclose(long[:, :4], short)
    assert not long[:, 4:].any()
    assert mask.all()


def test_a_recurrent_judge_says_nothing_of_what_follows_the_end() -> None:
    judge = build_discriminator(Recurrent(kind="recurrent", embedding=4, hidden=5), Shape(7, 6, True)).eval()
    text = torch.tensor([[3, 1, 4, 0, 0, 0], [2, 0, 0, 0, 0, 0]])
    verdicts = judge(text)
    assert torch.allclose(verdicts[0], F.pad(judge(text[:1, :4])[0], (0, 2)), atol=1e-6)
    assert torch.allclose(verdicts[1], F.pad(judge(text[1:, :2])[0], (0, 4)), atol=1e-6)
    assert verdicts[0, :4].all()


@pytest.mark.parametrize("kind", [Cnn(kind="cnn", widths=[1, 3], filters=[4, 5]), Recurrent(kind="recurrent")])
def test_a_judge_takes_one_hot_symbols_for_the_symbols(kind: Cnn | Recurrent) -> None:
    judge = build_discriminator(kind, Shape(7, 6, True, 2)).eval()
    text = torch.tensor([[3, 1, 4, 0, 0, 0], [2, 5, 6, 1, 2, 3]])
    label = torch.tensor([0, 1])
    assert torch.allclose(judge(text, label), judge(F.one_hot(text, 7).float(), label), atol=1e-5)


def test_a_convolution_is_one() -> None:
    judge = build_discriminator(Cnn(kind="cnn", embedding=3, widths=[2], filters=[4], dropout=0.0), Shape(7, 5, False))
    text = torch.randint(7, (3, 5), generator=torch.Generator().manual_seed(0))
    layer = judge.filters[0]
    kernel = layer.weight.view(4, 2, 3).transpose(1, 2)
    pooled = F.relu(F.conv1d(judge.embedding(text).transpose(1, 2), kernel, layer.bias)).amax(2)
    transform, gate = (part.T for part in judge.highway.weight.chunk(2))
    share = torch.sigmoid(pooled @ gate - 2)
    whole = share * F.relu(pooled @ transform) + (1 - share) * pooled
    assert torch.allclose(judge(text), judge.output(whole)[:, 0], atol=1e-6)


def test_dropout_is_the_steps_own_and_rests_while_grading() -> None:
    judge = build_discriminator(Cnn(kind="cnn", widths=[1], filters=[50], dropout=0.25), Shape(7, 5, False))
    text = torch.randint(7, (400, 5), generator=torch.Generator().manual_seed(0))
    draws = Draws(seed=1, step=2, size=400, start=0, stop=400)
    judge.dropout.draw(draws, "d")
    first = judge(text)
    assert judge.dropout._mask is not None
    assert abs(float((judge.dropout._mask == 0).float().mean()) - 0.25) < 0.02  # the share that is dropped, not kept
    judge.dropout.draw(Draws(1, 2, 400, 0, 200), "d")
    assert torch.equal(judge(text[:200]), first[:200])
    assert torch.equal(judge.grade(text), torch.sigmoid(judge.eval()(text)))


def naive_completion(made: Policy, begun: list[int], uniform: torch.Tensor) -> list[int]:
    """Symbol by symbol, every beginning read anew, one running sum."""
    text = list(begun)
    for step in range(len(begun), len(uniform)):
        if made.ends and text[-1] == 0:
            text.append(0)
            continue
        state = made.begin(1)
        for symbol in [0, *text]:
            features, state = made.step(torch.tensor([symbol]), state)
        chances = torch.softmax(made.logits(features), 1).cumsum(1)[0]
        text.append(int((chances <= uniform[step]).sum()))
    return text


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("ends", [False, True])
@torch.no_grad()
def test_rollouts_from_kept_states_are_those_of_reading_again(kind: Lstm | Transformer, ends: bool) -> None:
    made = policy(kind, ends)
    random = torch.Generator().manual_seed(5)
    texts = made.sample(torch.rand(4, 6, dtype=torch.float64, generator=random))
    uniform = torch.rand(5, 4, 3, 6, dtype=torch.float64, generator=random)
    found = complete(made, texts, uniform)
    for group in range(5):
        for row in range(4):
            for roll in range(3):
                begun = texts[row, : group + 1].tolist()
                assert found[group, row, roll].tolist() == naive_completion(made, begun, uniform[group, row, roll])


@torch.no_grad()
def test_windows_within_a_beginning_are_graded_once_and_the_same() -> None:
    judge = build_discriminator(
        Cnn(kind="cnn", widths=[1, 2, 4, 6], filters=[3, 4, 5, 6]), Shape(7, 6, True, 2)
    ).double()
    made = policy(GENERATORS[0])
    texts = made.sample(torch.rand(4, 6, dtype=torch.float64))
    completed = complete(made, texts, torch.rand(5, 4, 3, 6, dtype=torch.float64))
    label = torch.tensor([0, 1, 1, 0])
    one_by_one = judge.grade(completed.reshape(-1, 6), label.repeat_interleave(3).repeat(5)).view(5, 4, 3).mean(2)
    assert torch.allclose(judge.grade_completions(texts, completed, label), one_by_one, atol=1e-6)


def test_what_belongs_to_a_text_ends_with_its_end() -> None:
    texts = torch.tensor([[1, 0, 0], [0, 0, 0], [1, 2, 1]])
    assert alive(texts, True).tolist() == [[True, True, False], [True, False, False], [True, True, True]]
    assert alive(texts, False).all()


@pytest.mark.parametrize("kind", GENERATORS)
def test_relaxed_symbols_are_the_drawn_ones_when_cold(kind: Lstm | Transformer) -> None:
    made = policy(kind)
    made.relaxed, made.inverse_temperature = True, 1e6
    draws = Draws(seed=1, step=2, size=200, start=0, stop=200)
    made.gumbel.draw(draws, "g")
    cold = made(torch.zeros(200, 6))
    symbols = cold.argmax(2)
    assert torch.allclose(cold, F.one_hot(symbols, 7).double(), atol=1e-3)
    assert torch.equal(symbols * alive(symbols, True), symbols)  # ends stay ended
    made.inverse_temperature = 1.0
    warm = made(torch.zeros(200, 6))
    assert torch.equal(warm[:, 0].argmax(1), symbols[:, 0])
    assert torch.allclose(warm.sum(2), torch.ones(200, 6, dtype=torch.float64))
    (warm * torch.randn(7)).sum().backward()
    assert all(weight.grad is not None and torch.isfinite(weight.grad).all() for weight in made.parameters())
    # In evaluation the same network gives symbols.
    assert made.eval()(torch.zeros(3, 6)).dtype == torch.int64


@torch.no_grad()
def test_the_first_relaxed_symbol_has_the_softmaxs_distribution() -> None:
    made = policy(GENERATORS[0], ends=False, length=1)
    made.relaxed = True
    made.gumbel.draw(Draws(1, 2, 50_000, 0, 50_000), "g")
    first = made(torch.zeros(50_000, 1)).argmax(2)[:, 0]
    features, _ = made.step(torch.tensor([0]), made.begin(1))
    expected = torch.softmax(made.logits(features), 1)[0] * len(first)
    assert stats.chisquare(torch.bincount(first, minlength=7).tolist(), expected.tolist()).pvalue > 1e-3


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_sampler_without_wishes_is_the_generator(kind: Lstm | Transformer) -> None:
    made = policy(kind, classes=2).eval()
    sampler, label = Sampler(made), torch.arange(30) % 2
    noise = torch.rand(30, 6, dtype=torch.float64) * 2 - 1
    free, one, none = torch.full((30, 6), -1), torch.tensor(1.0), torch.tensor(0)
    texts, logs = sampler.trace(noise, free, one, none, one, label)
    assert torch.equal(texts, made(noise, label))
    assert torch.allclose(logs, made.likelihood(texts, label)[0])


def test_a_sampler_keeps_what_is_given_and_is_greedy_when_cold() -> None:
    made = policy(GENERATORS[0], ends=False).eval()
    sampler, noise = Sampler(made, unknown=1), torch.rand(50, 6, dtype=torch.float64) * 2 - 1
    prefix = torch.full((50, 6), -1)
    prefix[:, 0], prefix[:, 3] = 2, 5
    one, none = torch.tensor(1.0), torch.tensor(0)
    texts, _ = sampler.trace(noise, prefix, one, none, one)
    assert (texts[:, 0] == 2).all()
    assert (texts[:, 3] == 5).all()
    assert not (texts == 1).any()
    cold = Sampler(made).trace(noise, torch.full((50, 6), -1), torch.tensor(0.0), none, one)[0]
    state, symbol = made.begin(1), torch.tensor([0])
    for step in range(6):
        features, state = made.step(symbol, state)
        symbol = made.logits(features).argmax(1)
        assert (cold[:, step] == symbol).all()
    best = Sampler(made).trace(noise, torch.full((50, 6), -1), one, torch.tensor(1), one)[0]
    assert torch.equal(best, cold)
