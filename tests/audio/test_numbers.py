"""Sounds that are told a number: from a csv's column through training and export to `generate --number`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from scipy.stats import spearmanr
from sound_files import seen, sine, write
from torch import Tensor, nn

import multigan
from multigan import noise
from multigan import recipe as recipes
from multigan.audio.choosing import settle
from multigan.audio.config import AudioRecipe
from multigan.audio.data.medium import open_source
from multigan.audio.data.stream import open_stream
from multigan.audio.head import Head, networks
from multigan.checkpoint import load_generator
from multigan.cli import run
from multigan.contract import Contract, Input, Output
from multigan.errors import UserError
from multigan.networks.layers import NumberFeatures
from multigan.runs import Run
from multigan.runtime.numbers import Asked, resolve
from multigan.settings import NumberRange
from multigan.training.session import Options, train

RATE, LENGTH = 8000, 1024
CPU = torch.device("cpu")
BOUNDS = Input("number", "condition", "float32", ["batch"], None, 60, 48, 72)


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def sines(folder: Path, frequencies: list[float], kinds: tuple[str, ...] = ("soft", "loud")) -> Path:
    """Sines whose frequency and loudness stand in the metadata, and nothing of them in their names."""
    rows: list[tuple[object, ...]] = [("file_name", "kind", "pitch")]
    for index, frequency in enumerate(frequencies):
        kind = kinds[index % len(kinds)]
        write(folder / f"{index:03d}.wav", sine(frequency, LENGTH / RATE, RATE, 0.6 if kind == "loud" else 0.3), RATE)
        rows.append((f"{index:03d}.wav", kind, frequency))
    with (folder / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


STFT = {"kind": "stft", "transform": {"window": 64, "hop": 16}, "network": {"kind": "dcgan", "width": 4}}
NETWORKS = {
    "wavegan": {"kind": "wavegan", "width": 2, "strides": [4, 4]},
    **{kind: {**STFT, "network": {"kind": kind, "width": 8, **more}} for kind, more in
       {"dcgan": {}, "resnet": {}, "r3gan": {"group_size": 8}}.items()},
}  # fmt: skip


def recipe(source: Path | None, network: str = "wavegan", conditional: bool = False, **data: object) -> AudioRecipe:
    chosen = {"rate": RATE, "length": LENGTH, "channels": 1, "number_column": "pitch", **data}
    mapping = {
        "modality": "audio",
        "name": "test",
        "conditional": conditional,
        "data": {"source": None if source is None else str(source), **chosen},
        "generator": NETWORKS[network],
        "discriminator": NETWORKS[network],
        "loss": {"kind": "relativistic"},
        "training": {"samples": 16, "batch": 4, "precision": "fp32"},
    }
    return AudioRecipe.model_validate(mapping)


# --- the data ---------------------------------------------------------------------------------------------------------


def test_every_slice_has_its_files_number_and_the_recipe_their_range(tmp_path: Path) -> None:
    sines(tmp_path, [100, 300, 200, 900])
    settled, _ = settle(recipe(tmp_path, conditional=True, label_column="kind", length=512, slices="all"))
    assert settled.data.number_range == NumberRange(minimum=100, maximum=900, default=250)
    assert recipes.parse(settled.model_dump(mode="json", exclude_none=True)) == settled
    stream = open_stream(settled, CPU, 4)
    batch = stream.take(0, 8)
    assert batch.conditions["number"].dtype == torch.float32
    assert sorted(batch.conditions["number"].tolist()) == [100, 100, 200, 200, 300, 300, 900, 900]
    for sound, number, label in zip(batch.sample, batch.conditions["number"], batch.conditions["label"], strict=True):
        spectrum = np.abs(np.fft.rfft(sound[0].numpy() * np.hanning(512)))
        assert abs(spectrum.argmax() * RATE / 512 - number.item()) < RATE / 512
        assert ("loud", "soft")[label] == ("loud" if sound.abs().max() > 0.4 else "soft")
    stream.close()


@pytest.mark.parametrize(
    ("cell", "words"),
    [("high", "line 4 of .* has 'high' as pitch"), ("nan", "line 4 of .* has 'nan'"), ("inf", "line 4"),
     ("1e30", "line 4"), ("60,5", "line 4 of .* has '60,5'")],
)  # fmt: skip
def test_a_cell_that_is_no_number_is_named(tmp_path: Path, cell: str, words: str) -> None:
    sines(tmp_path, [100, 200, 300])
    rows = [("file_name", "pitch"), ("000.wav", "1"), ("001.wav", "2"), ("002.wav", cell)]
    with (tmp_path / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(UserError, match=f"data.number_column: {words}"):
        open_source(recipe(tmp_path).data)


def test_an_empty_cell_leaves_its_sound_out(tmp_path: Path) -> None:
    sines(tmp_path / "a", [100, 200])
    sines(tmp_path / "b", [300])
    rows = ["file_name,pitch", "a/000.wav,1.5", "a/001.wav,2.5", "b/000.wav,"]
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    source = open_source(recipe(tmp_path).data)
    assert source.numbers is not None
    assert source.labels is not None
    assert (source.numbers.tolist(), source.classes, source.labels.tolist()) == ([1.5, 2.5], ["a"], [0, 0])
    assert f"1 sounds without a pitch in {tmp_path / 'metadata.csv'} are left out." in source.notes
    chosen = recipe(tmp_path, classes=["a"]).data
    assert open_source(chosen).numbers is not None


@pytest.mark.parametrize(
    ("frequencies", "data", "words"),
    [
        ([100, 100, 100, 100], {}, "data.number_column: pitch of .* is 100 for every sound"),
        ([100, 200], {"number_column": "pitsch"}, "Did you mean 'pitch'"),
        ([100, 200, 300, 400], {"number_range": NumberRange(minimum=100, maximum=350, default=200)},
         "data.number_range: pitch is 400 for 003.wav of .*, outside of 100 to 350"),
    ],
)  # fmt: skip
def test_numbers_that_say_nothing_or_lie_outside(
    tmp_path: Path, frequencies: list[float], data: dict[str, object], words: str
) -> None:
    sines(tmp_path, frequencies)
    with pytest.raises(UserError, match=words):
        open_stream(settle(recipe(tmp_path, **data))[0], CPU, 1)


def test_ranges_of_a_recipe_are_checked() -> None:
    with pytest.raises(UserError, match=r"data\.number_range: it belongs to a number_column"):
        recipes.load("wavegan", ["data.number_range={minimum: 1, maximum: 2, default: 1}"])
    with pytest.raises(UserError, match=r"data\.number_range\.minimum: 2 is not below the maximum, 2"):
        recipes.load("wavegan", ["data.number_column=p", "data.number_range={minimum: 2, maximum: 2, default: 2}"])
    with pytest.raises(UserError, match=r"data\.number_column: the embedded drums have no columns"):
        open_source(recipes.load("wavegan", ["data.number_column=p"]).data)  # type: ignore[arg-type]


def cells(count: int) -> list[dict[str, bytes | str]]:
    found = []
    for index in range(count):
        path = Path(f"{index}.wav")
        soundfile.write(path, sine(100 * (index + 1), LENGTH / RATE, RATE), RATE)
        found.append({"bytes": path.read_bytes(), "path": ""})
        path.unlink()
    return found


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.int16(), pa.decimal128(8, 2)])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_tables_column_of_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: pa.DataType, streaming: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    values = pa.array([5, None, 7, 6, 9], pa.int16()).cast(kind)
    kinds = ["x", "y", None, "y", "x"]
    pq.write_table(pa.table({"audio": cells(5), "pitch": values, "label": kinds}), "t.parquet", row_group_size=2)
    data = recipe(Path("t.parquet")).data.model_copy(update={"streaming": streaming})
    source = open_source(data)
    assert source.numbers is not None
    assert source.labels is not None
    assert (source.numbers.tolist(), source.labels.tolist()) == ([5, 6, 9], [0, 1, 0])
    assert [source.name(index) for index in range(3)] == ["row 0", "row 3", "row 4"]
    assert "1 rows without a number in pitch are left out." in source.notes


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pa.array([1.0, float("nan")]), "row 1 of t.parquet has nan as pitch"),
        (pa.array([1.0, float("inf")]), "row 1 of t.parquet has inf as pitch"),
        (pa.array(["1", "2"]), "pitch of t.parquet holds .*: name a column of numbers"),
        (pa.array([None, None], pa.float32()), "pitch of t.parquet is empty"),
    ],
)
def test_a_tables_broken_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: pa.Array, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"audio": cells(2), "pitch": values}), "t.parquet")
    with pytest.raises(UserError, match=f"data.number_column: {words}"):
        open_source(recipe(Path("t.parquet")).data)


# --- the networks -----------------------------------------------------------------------------------------------------


def told(network: str, conditional: bool) -> tuple[AudioRecipe, nn.Module, nn.Module, dict[str, Tensor]]:
    torch.manual_seed(0)
    bounds = NumberRange(minimum=48, maximum=72, default=60)
    classes = ["a", "b"] if conditional else None
    chosen = recipe(None, network, conditional, number_range=bounds, classes=classes)
    conditions = {"number": torch.tensor([48.0, 60.0, 71.5])}
    if conditional:
        conditions["label"] = torch.tensor([0, 1, 1])
    return (chosen, *networks(chosen), conditions)


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("network", NETWORKS)
def test_both_networks_heed_the_number(network: str, conditional: bool) -> None:
    chosen, generator, discriminator, conditions = told(network, conditional)
    generator.eval()
    discriminator.eval()
    latent = torch.randn(3, chosen.latent.size)
    with torch.no_grad():
        if network == "r3gan":  # its blocks begin as nothing
            for weight in generator.parameters():
                weight += 0.05 * torch.randn_like(weight)
        sounds = generator(latent, **conditions)
        logits = discriminator(seen(discriminator, sounds), **conditions)
        assert (sounds.shape, logits.shape) == ((3, 1, LENGTH), (3,))
        other = {**conditions, "number": torch.tensor([48.0, 66.0, 71.5])}
        changed = (generator(latent, **other) - sounds).abs().amax((1, 2))
        assert changed[1] > 1e-4
        assert changed[[0, 2]].max() < 1e-6
        moved = (discriminator(seen(discriminator, sounds), **other) - logits).abs()
        assert moved[1] > 1e-5
        assert moved[[0, 2]].max() < 1e-6
    with pytest.raises(ValueError, match="give it a number"):
        generator(latent, conditions.get("label"))


def test_the_features_are_those_of_the_formula_and_tell_the_ends_apart() -> None:
    layer = NumberFeatures(NumberRange(minimum=48, maximum=72, default=60))
    numbers = np.array([48, 50.5, 60, 72])
    x = (numbers - 60) / 12
    expected = np.stack([wave(np.pi / 2 * 2**k * x) for wave in (np.sin, np.cos) for k in range(5)], 1)
    found = layer(torch.tensor(numbers, dtype=torch.float32))
    assert np.abs(found.numpy() - expected).max() < 1e-5
    assert found[0, 0] == -1
    assert found[3, 0] == 1
    assert not list(layer.parameters())


def test_without_a_number_nothing_has_changed_for_a_network() -> None:
    """No weight, no name of one, and no draw at their beginning."""
    plain = recipe(None, number_column=None, classes=["a", "b"], conditional=True)
    torch.manual_seed(0)
    generator, discriminator = networks(plain.model_copy(update={"conditional": True}))
    assert "input.embedding.weight" in generator.state_dict()
    assert [name for name in discriminator.state_dict() if "projection" in name] == ["projection.embedding.weight"]


# --- what a seed means ------------------------------------------------------------------------------------------------


def mirrored(turn: int) -> float:
    """The fraction whose binary digits are those of turn + 1, in the other order."""
    return sum(int(digit) / 2 ** (place + 1) for place, digit in enumerate(reversed(f"{turn + 1:b}")))


@pytest.mark.parametrize("classes", [0, 1, 3])
def test_numbers_take_turns_evenly_whatever_the_batch(classes: int) -> None:
    whole = noise.numbers(BOUNDS, 0, 200, classes)
    assert whole.tolist() == [np.float32(48 + 24 * mirrored(index // max(classes, 1))) for index in range(200)]
    parts = [noise.numbers(BOUNDS, start, 25, classes) for start in range(0, 200, 25)]
    assert np.concatenate(parts).tolist() == whole.tolist()
    assert np.abs(np.sort(noise.numbers(BOUNDS, 0, 63)) - np.linspace(48, 72, 65)[1:-1]).max() < 0.4
    far = noise.numbers(BOUNDS, 2**53 - 3, 2, classes)
    assert ((far >= 48) & (far <= 72)).all()


def test_what_a_command_line_may_ask_for() -> None:
    places = np.arange(5)
    assert Asked.parse("48:72").of(places, 5).tolist() == [48, 54, 60, 66, 72]
    assert Asked.parse("72:48").of(places, 5)[[0, 4]].tolist() == [72, 48]
    assert Asked.parse("48:72").of(places[:1], 1).tolist() == [48]
    assert Asked.parse("-1.5").of(places, 5).tolist() == [-1.5] * 5
    assert Asked.parse("1, 2").of(places, 5).tolist() == [1, 2, 1, 2, 1]
    assert Asked.parse("0:1").way(5, 8).tolist() == [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25]
    for text in ("", "a", "1:2:3", "1:", ":", "nan", "inf:2", "1,,2"):
        with pytest.raises(UserError, match="is no number: write one such as 60"):
            Asked.parse(text)


# --- from end to end --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator of sines by kind and pitch, trained hardly at all."""
    place = tmp_path_factory.mktemp("model")
    sines(place / "data", [float(each) for each in range(100, 900, 50)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        patch.chdir(place)
        small = ["training.samples=64", "training.batch=8", "training.precision=fp32", "data.length=1024",
                 "data.label_column=kind", "data.number_column=pitch", "data.rate=8000",
                 *(f"{role}={json.dumps(NETWORKS['dcgan'])}" for role in ("generator", "discriminator"))]  # fmt: skip
        changes = [part for change in small for part in ("--set", change)]
        assert run(["train", "audio", "--recipe", "drums", "--data", "data", *changes, "--out", "run"]) == 0
        assert run(["export", "--onnx", "run"]) == 0
    return place / "model.onnx"


def test_the_contract_says_the_range_and_the_graph_is_the_network(model: Path) -> None:
    generator = multigan.load(model)
    said = generator.contract
    assert said.inputs[2] == Input("number", "condition", "float32", ["batch"], None, 475, 100, 850)
    assert said.extra["number_column"] == "pitch"
    assert said.recipe["data"]["number_range"] == {"minimum": 100, "maximum": 850, "default": 475}
    chosen, network, _ = load_generator(Run(model.parent / "run").weights(64))
    inputs = noise.inputs(said, 7, 0, 6)
    with torch.no_grad():
        theirs = network(**{name: torch.from_numpy(value) for name, value in inputs.items()}).numpy()
    assert np.abs(generator.sample(6, seed=7) - theirs).max() < 1e-4
    session = onnxruntime.InferenceSession(str(model))
    assert [each.name for each in session.get_inputs()] == ["latent", "label", "number"]
    _, batch = Head(chosen).preview_batch()  # type: ignore[arg-type]
    assert batch.conditions["number"].tolist() == noise.inputs(said, 0, 0, 16)["number"].tolist()


def test_generate_by_number(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["generate", str(model), "--out", str(tmp_path), "--label", "soft", "--no-grid"]
    assert run([*arguments, "-n", "3", "--number", "200:800"]) == 0
    names = [f"seed0-{index:04d}-soft-{number}.wav" for index, number in enumerate((200, 500, 800))]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    generator = multigan.load(model)
    expected = generator.sample(3, 0, "soft", number=[200, 500, 800])
    for name, sound in zip(names, expected, strict=True):
        assert np.abs(soundfile.read(tmp_path / name)[0] - sound[0]).max() < 2**-15
    assert np.abs(generator.sample(3, 0, "soft", number=500)[1] - expected[1]).max() < 1e-6
    assert np.abs(generator.sample(3, 0, "soft", number=500)[0] - expected[0]).max() > 1e-4
    assert run([*arguments, "-n", "1", "--number", "850"]) == 0
    assert (tmp_path / "seed0-0000-soft-850.wav").exists()
    assert run(["info", str(model)]) == 0
    said = capsys.readouterr().out
    assert "float32 [batch] in [100, 850], condition, in the middle 475, of the column pitch" in said


def test_samples_are_the_same_whatever_the_batch(model: Path) -> None:
    generator = multigan.load(model)
    whole = generator.sample(7, seed=3, batch=7)
    assert np.abs(generator.sample(7, seed=3, batch=2) - whole).max() < 1e-5
    assert np.abs(generator.sample(4, seed=3, start=3) - whole[3:]).max() < 1e-5


def test_the_number_is_held_or_glides_between_seeds(model: Path, tmp_path: Path) -> None:
    generator = multigan.load(model)
    held = generator.interpolate([1, 2], 2, "soft")
    assert np.abs(held - generator.interpolate([1, 2], 2, "soft", number=475)).max() < 1e-6
    glide = generator.interpolate([1, 2], 2, "soft", number=[100, 475, 850])
    assert np.abs(glide[1] - held[1]).max() < 1e-6
    assert np.abs(glide[0] - held[0]).max() > 1e-4
    arguments = ["generate", str(model), "--out", str(tmp_path), "--interpolate", "1,2", "--steps", "2"]
    assert run([*arguments, "--label", "soft", "--number", "100:850"]) == 0
    assert np.abs(soundfile.read(tmp_path / "seeds1-2-soft.wav")[0] - glide.reshape(-1)).max() < 2**-15


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--number", "900"], "the number 900 (pitch) is out of range: the model knows 100 to 850"),
        (["--number", "100:900", "-n", "2000"], "the number 900 (pitch) is out of range"),
        (["--number", "high"], "--number 'high' is no number"),
        (["--number", "100,200", "--interpolate", "1,2"], "on a way between seeds is one number"),
    ],
)
def test_generate_says_what_is_wrong(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(["generate", str(model), "--out", str(tmp_path / "out"), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_ends_of_a_range_are_within_it() -> None:
    """Also where they are no float32 numbers themselves."""
    for low, high in ((0.1, 0.7), (float(np.float32(0.1)), float(np.float32(0.7)))):
        bounds = Input("number", "condition", "float32", ["batch"], None, 0.3, low, high)
        latent = Input("latent", "latent", "float32", ["batch", 8], "normal")
        said = Contract("audio", "test", [latent, bounds], Output("sound", "float32", ["batch", 1, 8], -1.0, 1.0))
        told = resolve(said, [0.1, 0.7, np.float32(0.7)], 3)
        assert told is not None
        assert told.dtype == np.float32
        assert told.tolist() == np.float32([0.1, 0.7, 0.7]).tolist()
        assert resolve(said, 0.7, 2) is not None
        for number in (0.0999, 0.7001, 1e300, float("nan")):
            with pytest.raises(UserError, match=r"is out of range: the model knows 0\.1 to 0\.7"):
                resolve(said, number, 1)


def test_each_sample_has_its_own_number_in_every_batch(model: Path) -> None:
    generator = multigan.load(model)
    asked = np.linspace(210, 300, 7)
    together = generator.sample(7, seed=3, number=asked, batch=7)
    assert np.abs(generator.sample(7, seed=3, number=asked, batch=2) - together).max() < 1e-5
    assert np.abs(generator.sample(7, seed=3, number=list(asked[::-1]), batch=2) - together).max() > 1e-3


def test_a_sequence_of_another_length_is_refused(model: Path) -> None:
    with pytest.raises(UserError, match="2 numbers were given for 3 samples"):
        multigan.load(model).sample(3, number=[200, 300])


# --- what it learns ---------------------------------------------------------------------------------------------------


def pitch(sound: np.ndarray) -> float:
    """The frequency of the loudest bin."""
    return float(np.abs(np.fft.rfft(sound * np.hanning(len(sound)))).argmax() * RATE / len(sound))


def follows(place: Path, source: Path) -> float:
    """The rank correlation of the asked pitches with those heard, after a short training."""
    small = ["training.samples=24000", "training.batch=16", "training.precision=fp32", "data.length=1024",
             "data.rate=8000", "data.number_column=pitch", "conditional=false", "augment.probability=0",
             "ema.half_life=1000", "generator_optimizer.lr=1e-3", "discriminator_optimizer.lr=1e-3",
             f"data.source={source}",
             *(f"{role}.{change}" for role in ("generator", "discriminator") for change in
               ("network.width=8", "transform={window: 128, hop: 32}"))]  # fmt: skip
    outcome = train(recipes.load("drums", small), Options(out=place))
    assert run(["export", "--onnx", str(outcome.run.folder), "--out", str(place / "model.onnx")]) == 0
    asked = np.linspace(400, 2400, 48)
    sounds = multigan.load(place / "model.onnx").sample(48, seed=5, number=asked)
    return float(spearmanr(asked, [pitch(sound[0]) for sound in sounds]).statistic)


@pytest.mark.slow
def test_the_pitch_follows_the_number_and_does_not_where_the_number_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sines(tmp_path / "data", np.linspace(400, 2400, 200).tolist())
    assert follows(tmp_path / "told", source) > 0.9
    heard = NumberFeatures.forward
    monkeypatch.setattr(NumberFeatures, "forward", lambda self, number: 0 * heard(self, number))
    found = follows(tmp_path / "hidden", source)
    assert np.isnan(found) or abs(found) < 0.5
