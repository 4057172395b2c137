"""Recipes: what is found, what is read, what is refused and in which words."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from multigan import plain_yaml, recipe
from multigan.errors import UserError
from multigan.image.config import ImageRecipe

BASE: dict[str, Any] = {
    "modality": "image",
    "name": "tiny",
    "generator": {"kind": "dcgan"},
    "discriminator": {"kind": "dcgan"},
    "loss": {"kind": "hinge"},
    "training": {"samples": 1000},
}


def changed(**keys: Any) -> dict[str, Any]:
    """BASE with `a__b=value` at a.b."""
    mapping = copy.deepcopy(BASE)
    for key, value in keys.items():
        *above, last = key.split("__")
        place = mapping
        for each in above:
            place = place.setdefault(each, {})
        place[last] = value
    return mapping


def refusal(mapping: dict[str, Any]) -> str:
    with pytest.raises(UserError) as raised:
        recipe.parse(mapping, "r.yaml")
    return str(raised.value)


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


TEXT = """\
# multigan train image --recipe mine.yaml
modality: image
name: mine
generator: {kind: dcgan, width: 8}
discriminator: {kind: dcgan, width: 8, normalize: none}
loss: {kind: relativistic}
regularizers: [{kind: r1, gamma: 1}, {kind: r2, gamma: 0.1}]
generator_optimizer: {lr: 2e-4, betas: [0, 0.9]}
training: {samples: 1e5, batch: 32}
"""


# --- YAML -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-4", 2e-4),
        ("1e6", 1_000_000),
        ("1_000_000", 1_000_000),
        ("-3", -3),
        (".5", 0.5),
        ("010", 10),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("true", True),
        ("~", None),
        ("", None),
        ("'7'", "7"),
        ("1e", "1e"),
    ],
)
def test_scalars_are_read_as_people_mean_them(text: str, value: object) -> None:
    read = plain_yaml.loads(f"key: {text}", "r.yaml")["key"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2", "line 2: the key 'a' is given twice"),
        ("a: [1, 2", "line 1"),
        ("a: !!python/object/apply:os.system ['true']", "line 1: the tag"),
        ("{[1]: 2}", "a key must be a word"),
        ("a: *b", "found undefined alias"),
        ("a: 1\n---\nb: 2", "another document"),
        ("a: \x00", "not a YAML text"),
        ("[" * 1200, "nested too deeply"),
        ("a: " + "9" * 5000, "not a YAML text"),
        ("a: !!bool x", "line 1: the tag 'tag:yaml.org,2002:bool' is not one that a recipe needs"),
        ("a: !!int [1]", "the tag"),
        ("a: !!float {b: 1}", "the tag"),
        ("a: !!timestamp foo", "the tag"),
        ("a: !!int 1e9999999999", "the tag"),
        ("a: !!set {b}", "the tag"),
    ],
)
def test_a_text_that_is_not_plain_yaml_is_refused_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(UserError, match=r"^r\.yaml") as raised:
        plain_yaml.loads(text, "r.yaml")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


# --- finding and reading --------------------------------------------------------------------------------------------


def test_a_recipe_is_read_with_its_numbers(tmp_path: Path) -> None:
    read = recipe.load(write(tmp_path, TEXT))
    assert read.generator_optimizer.lr == 2e-4
    assert read.generator_optimizer.betas == (0, 0.9)
    assert read.training.samples == 100_000
    assert [each.kind for each in read.regularizers] == ["r1", "r2"]


def test_shipped_recipes_are_valid_and_begin_with_the_command_that_runs_them() -> None:
    shipped = recipe.packaged()
    assert shipped
    for name, path in shipped.items():
        read = recipe.load(name)
        assert read.name == name
        words = shlex.split(recipe.command(path))
        assert words[0] == "multigan"
        assert words[1] == name or recipe.find(words[words.index("--recipe") + 1]) == path


def test_names_and_paths_of_shipped_recipes_resolve_from_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, path in recipe.packaged().items():
        for spelling in (name, f"{name}.yaml", f"recipes/{name}.yaml"):
            assert recipe.find(spelling) == path


def test_a_local_file_comes_before_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = next(iter(recipe.packaged()))
    (tmp_path / "recipes").mkdir()
    write(tmp_path / "recipes", TEXT, f"{name}.yaml")
    assert recipe.load(f"recipes/{name}.yaml").name == "mine"
    assert recipe.load(name).name == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("r3gna", "Did you mean 'r3gan'?"),
        ("recipes/dcgn.yaml", "Did you mean 'dcgan'?"),
        ("mien.yaml", "Did you mean 'mine.yaml'?"),
        ("nowhere/dcgan.yaml", "there is no recipe 'nowhere/dcgan.yaml'"),
        ("run", "Its recipe is run/recipe.yaml"),
        ("x" * 5000, "cannot be the name"),
        ("a\0b", "there is no recipe"),
        ("binary.yaml", "not a text file"),
        ("list.yaml", "has no keys"),
        ("large.yaml", "too large"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, TEXT)
    (tmp_path / "run").mkdir()
    write(tmp_path / "run", TEXT, "recipe.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    write(tmp_path, "- 1\n", "list.yaml")
    write(tmp_path, "#" * (recipe.LARGEST_FILE + 1), "large.yaml")
    with pytest.raises(UserError) as raised:
        recipe.load(name)
    assert words in str(raised.value)


# --- overrides ------------------------------------------------------------------------------------------------------


def test_overrides_change_make_and_append_keys(tmp_path: Path) -> None:
    read = recipe.load(
        write(tmp_path, TEXT),
        [
            "generator.width=16",
            "regularizers.0.gamma={start: 2, end: 0.2}",
            "augment.probability=0.3",
            "data.classes=[cat, dog]",
            "data.classes.2=bird",
            "data.source=a/b=c",
            "generator_optimizer.lr=5e-5",
            "training.preview_every=",
        ],
    )
    assert read.generator.width == 16
    assert read.regularizers[0].gamma.end == 0.2  # type: ignore[union-attr]
    assert read.augment is not None
    assert read.augment.probability == 0.3
    assert read.data.classes == ["cat", "dog", "bird"]
    assert read.data.source == "a/b=c"
    assert read.generator_optimizer.lr == 5e-5
    assert read.training.preview_every is None


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("width", "--set width: write KEY=VALUE"),
        ("=3", "write KEY=VALUE"),
        ("a..b=3", "write KEY=VALUE"),
        ("regularizers.7.gamma=1", "regularizers is a list of 2: name an item by a number from 0"),
        ("regularizers.first.gamma=1", "name an item by a number from 0"),
        ("name.first=1", "name is 'mine', which has no keys"),
        ("generator.width=[1", "--set generator.width=[1"),
        ("generator.widht=1", "unknown key generator.widht (kind dcgan). Did you mean 'width'?"),
    ],
)
def test_an_override_that_cannot_be_carried_out_says_why(override: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        recipe.load(write(tmp_path, TEXT), [override])
    assert words in str(raised.value)


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        (changed(generator__widht=3), "unknown key generator.widht (kind dcgan). Did you mean 'width'?"),
        (changed(generator__spectral_norm=True), "generator.spectral_norm (kind dcgan). Kind resnet has it."),
        (changed(trainign={}), "unknown key trainign. Did you mean 'training'?"),
        (changed(regularizers=[{"kind": "r1", "gama": 3}]), "regularizers.0.gama (kind r1). Did you mean 'gamma'?"),
        (changed(generator_optimizer__lr={"start": 1, "edn": 2}), "generator_optimizer.lr.edn. Did you mean 'end'?"),
        (changed(generator__kind="dcgna"), "generator.kind is 'dcgna': expected one of dcgan, resnet, r3gan. Did you"),
        (changed(generator={}), "generator.kind is missing: one of dcgan, resnet, r3gan."),
        (changed(generator=3), "generator is 3: expected a mapping with a kind, one of dcgan, resnet, r3gan."),
        (changed(training={}), "training.samples is missing: expected a whole number."),
        (changed(training__batch="64"), "training.batch is '64': expected a whole number. Write 64 without quotes."),
        (changed(training__batch=1.5), "training.batch is 1.5: expected a whole number."),
        (changed(training__batch=True), "training.batch is true: expected a whole number."),
        (changed(training__batch=0), "training.batch is 0: expected at least 1."),
        (changed(data__mirror="yes"), "data.mirror is 'yes': expected true or false."),
        (changed(data__classes=[7]), "data.classes.0 is 7: expected text. Write '7' in quotes."),
        (changed(data__channels="3"), "data.channels is '3': expected 1, 3, 4. Write 3 without quotes."),
        (changed(data__size=[20, 32]), "data.size: 20 cannot be made"),
        (changed(data__size=[8, 8, 8]), "data.size is [8, 8, 8]: expected a list of 2, each of it a whole number."),
        (changed(data__size=[32]), "data.size.1 is missing: expected a whole number."),
        (changed(data__fit="corp"), "data.fit is 'corp': expected crop, pad, stretch. Did you mean 'crop'?"),
        (changed(augment__probability="adaptiv"), "Did you mean 'adaptive'?"),
        (changed(augment__probability=3), "augment.probability: 3 is out of range: choose from 0 to 1."),
        (changed(generator_optimizer__betas=[0.5, 2]), "generator_optimizer.betas.1: 2 is out of range"),
        (changed(generator_optimizer__lr=float("nan")), "generator_optimizer.lr is nan: expected a number"),
        (changed(name="a b"), "name is 'a b': expected text that matches"),
        (changed(name="\ud800"), "half of a Unicode character"),
        (changed(seed=10**4000), "more than 256 bits"),
        (
            changed(modality="imgae"),
            "modality 'imgae' is not one that there is: image, audio, text. Did you mean 'image'?",
        ),
        (changed(modality="video"), "modality 'video' is not one that there is: image, audio, text."),
        ({}, "modality is missing"),
        (changed(name={1, 2}), "is not a value that a recipe can hold"),
        (changed(data={3: 4}), "the key 3 is not a word"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_key_and_the_mend(mapping: dict[str, Any], words: str) -> None:
    text = refusal(mapping)
    assert text.startswith("r.yaml: ")
    assert words in text
    assert "\n" not in text
    assert len(text) < 300


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        (changed(training__accumulate=3), "training.accumulate: 3 does not divide batch 64 (nearest: 2)."),
        (changed(training__samples=63), "training.samples: 63 are fewer than one turn's 64"),
        (changed(training__discriminator_steps=20), "fewer than one turn's 1280"),
        (changed(loss__kind="wasserstein"), "loss: wasserstein needs a discriminator of bounded slope"),
        (changed(data__classes=["a", "b", "a"]), "data.classes: 'a' is named twice"),
        (changed(data__streaming=True, data__cache="memory"), "data.cache: memory"),
        (changed(generator={"kind": "r3gan", "width": 30}), "generator.group_size: 16 does not divide the 30 * 2"),
        (changed(regularizers=[{"kind": "r1", "gamma": 1}] * 2), "regularizers: r1 is there twice"),
    ],
)
def test_combinations_that_cannot_work_are_refused(mapping: dict[str, Any], words: str) -> None:
    assert words in refusal(mapping)


@pytest.mark.parametrize(
    "mapping",
    [
        changed(loss__kind="wasserstein", regularizers=[{"kind": "gradient_penalty"}]),
        changed(loss__kind="wasserstein", discriminator={"kind": "resnet"}),
        changed(training__accumulate=64, training__samples=64),
        changed(generator={"kind": "r3gan", "width": 24}),
    ],
)
def test_their_neighbours_are_not(mapping: dict[str, Any]) -> None:
    assert isinstance(recipe.parse(mapping), ImageRecipe)


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        (changed(regularizers=[{"kind": "r1", "gamma": 1}]), "not each sample's own"),
        (changed(training__accumulate=2), "batch normalisation sees 32 samples"),
        (changed(loss__kind="relativistic", regularizers=[{"kind": "r1", "gamma": 1}]), "one of them is missing"),
        (changed(training__evaluate_every=2000), "training.evaluate_every: 2000 samples are more"),
        (changed(augment__kinds=[]), "nothing is augmented"),
    ],
)
def test_what_is_allowed_and_surprising_is_noted(mapping: dict[str, Any], words: str) -> None:
    assert any(words in note for note in recipe.notes(recipe.parse(mapping)))


def test_a_plain_recipe_has_no_notes() -> None:
    assert recipe.notes(recipe.parse(BASE)) == []


# --- properties -----------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(
    [
        *ImageRecipe.model_fields,
        "kind",
        "width",
        "gamma",
        "lr",
        "start",
        "end",
        "betas",
        "size",
        "samples",
        "dcgan",
        "x",
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["dcgan", "r3gan", "r1", "hinge", "image", "adaptive", "name", 64, 0.5, -1, 10**400]),
)
JUNK = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(KEYS, st.text(max_size=4)), inner)),
    max_leaves=12,
)


def attempt(call: Callable[[], object]) -> object:
    """What the call gives, or the user's mistake that it finds; any other exception passes."""
    try:
        return call()
    except UserError as error:
        return error


@given(st.dictionaries(KEYS, JUNK, max_size=4), st.lists(st.tuples(KEYS, KEYS, JUNK), max_size=3))
def test_any_mapping_gives_a_recipe_or_a_sentence(top: dict[str, Any], inner: list[tuple[str, str, Any]]) -> None:
    mapping = {**copy.deepcopy(BASE), **top}
    for key, below, value in inner:
        if isinstance(mapping.setdefault(key, {}), dict):
            mapping[key] = {**mapping[key], below: value}
    outcome = attempt(lambda: recipe.parse(mapping))
    assert isinstance(outcome, ImageRecipe) or str(outcome).startswith("the recipe: ")


@given(st.text(max_size=60))
def test_any_text_gives_data_or_a_sentence(text: str) -> None:
    outcome = attempt(lambda: plain_yaml.loads(text, "r.yaml"))
    assert not isinstance(outcome, UserError) or str(outcome).startswith("r.yaml")


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_override_gives_a_recipe_or_a_sentence(key: str, value: str) -> None:
    def change() -> ImageRecipe:
        mapping = copy.deepcopy(BASE)
        recipe.override(mapping, f"data.{key}={value}")
        return recipe.parse(mapping)

    outcome = attempt(change)
    assert isinstance(outcome, ImageRecipe) or str(outcome).startswith(("the recipe: ", "--set data."))


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
SCHEDULES = st.one_of(
    st.floats(0, 1),
    st.fixed_dictionaries(
        {"start": st.floats(0, 1), "end": st.floats(0, 1)},
        optional={"samples": st.integers(1, 10**12), "shape": st.sampled_from(["cosine", "linear"])},
    ),
)


@settings(max_examples=50)
@given(
    st.builds(
        changed,
        data__classes=st.lists(NAMES, unique=True, max_size=4),
        data__source=st.one_of(st.none(), NAMES),
        data__size=st.one_of(st.none(), st.tuples(st.sampled_from([16, 64, 96]), st.just(64))),
        generator_optimizer__lr=SCHEDULES,
        augment=st.one_of(st.none(), st.fixed_dictionaries({"probability": st.one_of(SCHEDULES, st.just("adaptive"))})),
        ema__half_life=st.floats(0, 1e12),
        seed=st.integers(0, 2**63 - 1),
        regularizers=st.lists(
            st.fixed_dictionaries({"kind": st.sampled_from(["r1", "r2"]), "gamma": SCHEDULES}), max_size=1
        ),
    )
)
@example(changed(data__source="two\x85lines\u2028and\r\nmore\n"))
@example(changed(data__classes=["~", "no", "1_0", "2e-4", "12:30", "", " ", "=", "<<", "0x1F", "\ufeff", "\x00"]))
def test_yaml_gives_the_same_recipe_back(mapping: dict[str, Any]) -> None:
    once = recipe.parse(mapping)
    text = recipe.to_yaml(once)
    assert recipe.parse(plain_yaml.loads(text, "r.yaml")) == once
    assert recipe.parse(yaml.safe_load(text)) == once  # other readers, which follow YAML 1.1, see the same


def test_a_bomb_of_aliases_is_refused_before_it_unfolds() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    mapping = plain_yaml.loads("\n".join(levels), "r.yaml")
    assert "too many values" in refusal(mapping)
