"""What the page's modules share with Python: vocabularies, inputs, ways, contracts, and what each refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import PAGE, node

from multigan import noise
from multigan.contract import Contract, Input, Output
from multigan.errors import UserError
from multigan.runtime import interpolation
from multigan.runtime.onnx_file import read
from multigan.text.config import TextData
from multigan.text.data.corpus import Corpus
from multigan.text.data.vocabularies import build_vocabulary
from multigan.vocabulary import END, UNKNOWN, Vocabulary

LETTERS = "ab \n\t\r\x0b\x1c\x85\xa0\u2003\ufeff'éÉ\u0301\u200d👩👧ßİΣ中,.!-]\\[^1"
TEXTS = st.lists(
    st.one_of(st.text(LETTERS, max_size=30), st.text(st.characters(exclude_categories=["Cs"]), max_size=20)),
    min_size=3,
    max_size=12,
)
KINDS: list[dict[str, Any]] = [
    {"kind": "characters"},
    {"kind": "words"},
    {"kind": "bpe"},
    {"kind": "symbols"},
    {"kind": "symbols", "pattern": "ab+|[.]|👩.?"},
]


# --- vocabularies -----------------------------------------------------------------------------------------------------


def built(texts: list[str], tokens: dict[str, Any], **rest: Any) -> Vocabulary:
    data = TextData.model_validate({"tokens": {**tokens, "size": 200}, **rest})
    return build_vocabulary(Corpus("here", [*texts, "q ab", "w ba"]), data)


@pytest.mark.parametrize("tokens", KINDS, ids=lambda each: f"{each['kind']}{len(each)}")
@settings(max_examples=12)
@given(known=TEXTS, others=TEXTS, end=st.booleans(), lowercase=st.booleans())
def test_vocabularies_encode_and_decode_as_pythons(
    tmp_path_factory: pytest.TempPathFactory,
    tokens: dict[str, Any],
    known: list[str],
    others: list[str],
    end: bool,
    lowercase: bool,
) -> None:
    made = built(known, tokens, end=end, lowercase=lowercase)
    asked = [*known, *others, "", END, UNKNOWN, f"a{UNKNOWN}b"]
    code = """
        const vocabulary = new Vocabulary(given.vocabulary);
        return given.texts.map((text) => ({
          encoded: told(() => vocabulary.encode(text)),
          unknown: vocabulary.unknown(text),
          decoded: told(() => vocabulary.decode(vocabulary.encode(text))),
        }));
    """
    told = {"vocabulary": made.to_json(), "texts": asked}
    found = node(tmp_path_factory.mktemp("node"), {"vocabulary.mjs": "{ Vocabulary }"}, code, told)
    for text, theirs in zip(asked, found, strict=True):
        assert theirs["unknown"] == made.unknown(text)
        try:
            encoded = made.encode(text)
        except UserError:
            assert "UserError" in theirs["encoded"]
            continue
        assert theirs["encoded"] == encoded
        assert theirs["decoded"] == made.decode(encoded)


GOOD = Vocabulary("bpe", [END, UNKNOWN, "a", "b", "ab"], merges=[("a", "b")]).to_json()


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "runes"},
        {"kind": "characters", "merges": []},
        {"kind": "words", "merges": [], "symbols": [END, UNKNOWN, "a b"]},
        {"symbols": "ab"},
        {"symbols": []},
        {"symbols": [END, UNKNOWN]},
        {"symbols": [END, UNKNOWN, "a", "a"]},
        {"symbols": [END, UNKNOWN, ""]},
        {"symbols": [UNKNOWN, END, "a"]},
        {"symbols": [END, UNKNOWN, "a" * 1025], "merges": []},
        {"symbols": [END, UNKNOWN, "\ud800"], "merges": []},
        {"merges": [["a", "c"]]},
        {"merges": [["a"]]},
        {"merges": {}},
        {"end": 1},
        {"lowercase": None},
        {"pattern": 3},
    ],
)
def test_a_damaged_vocabulary_is_refused_by_both(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError):
        Vocabulary.from_json({**GOOD, **changes})
    code = "return told(() => new Vocabulary(given).size);"
    assert "damaged" in node(tmp_path, {"vocabulary.mjs": "{ Vocabulary }"}, code, {**GOOD, **changes})["UserError"]
    assert node(tmp_path, {"vocabulary.mjs": "{ Vocabulary }"}, code, GOOD) == 5


# --- inputs -----------------------------------------------------------------------------------------------------------


def everything(distribution: Any = "normal") -> Contract:
    """A contract with an input of every kind."""
    axes: list[int | str] = ["batch", "length"]
    return Contract(
        modality="text",
        name="all",
        inputs=[
            Input("latent", "latent", "float32", ["batch", 3, 2], distribution),
            Input("noise", "noise", "float32", axes, "uniform"),
            Input("phase", "noise", "float32", ["batch", 5], "normal"),
            Input("prefix", "prefix", "int64", axes, default=-1),
            Input("label", "label", "int64", ["batch"]),
            Input("number", "condition", "float32", ["batch"], default=1.5, minimum=-2.0, maximum=7.0),
            Input("temperature", "scalar", "float32", [], default=0.7),
            Input("top_k", "scalar", "int64", [], default=0),
        ],
        output=Output("text", "int64", axes, 0, 9),
        labels=["x", "y", "z"],
        extra={"length": 6},
    )


PLAIN = "const plain = (made) => made.map(({ data, ...rest }) => ({ ...rest, data: Array.from(data, Number) }));"
MODULES = {
    "contract.mjs": "{ readContract }",
    "inputs.mjs": "{ inputs, labelsOf, numbersOf, spherical, wayInputs }",
}


def same(theirs: list[dict[str, Any]], ours: dict[str, Any], tolerance: float = 0.0) -> None:
    assert [each["name"] for each in theirs] == list(ours)
    for each in theirs:
        wanted = np.asarray(ours[each["name"]])
        assert (each["type"], each["dims"]) == (str(wanted.dtype), list(wanted.shape))
        assert np.allclose(np.array(each["data"]), wanted.astype(np.float64).ravel(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_inputs_are_pythons_to_the_bit(distribution: str, tmp_path: Path) -> None:
    said = everything(distribution)
    cases: list[dict[str, Any]] = [
        {"seed": 7, "start": 0, "count": 4},
        {"seed": 2**53 - 1, "start": 2**40, "count": 3, "truncation": 0.5},
        {"seed": 3, "start": 5, "count": 2, "length": 2, "given": {"prefix": [1, -1], "temperature": 0, "top_k": 4}},
    ]
    code = PLAIN + "const said = readContract(given.said); return given.cases.map((each) => plain(inputs(said, each)));"
    found = node(tmp_path, MODULES, code, {"said": said.to_json(), "cases": cases})
    for case, theirs in zip(cases, found, strict=True):
        told = dict(case)
        if "given" in told:
            told["given"] = {**told["given"], "prefix": [told["given"]["prefix"]] * told["count"]}
        same(theirs, noise.inputs(said, **told))


def test_labels_and_numbers_that_are_asked_for_and_those_out_of_range(tmp_path: Path) -> None:
    code = """
        const said = readContract(given);
        return [
          labelsOf(said, null, 2, 4), labelsOf(said, 1, 2, 3),
          [...numbersOf(said, 0.1, 0, 2)], [...numbersOf(said, 7, 0, 1)],
          ...[3, -1, 0.5].map((label) => told(() => labelsOf(said, label, 0, 1))),
          ...[7.01, NaN, -Infinity].map((number) => told(() => numbersOf(said, number, 0, 1))),
        ];
    """
    found = node(tmp_path, MODULES, code, everything().to_json())
    tenth = float(np.float32(0.1))
    assert found[:4] == [[2, 0, 1, 2], [1, 1, 1], [tenth, tenth], [7]]
    assert all("UserError" in each for each in found[4:])
    assert "numbered 0 to 2" in found[4]["UserError"]
    assert "-2 to 7" in found[7]["UserError"]


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_the_way_between_seeds_is_pythons(distribution: str, tmp_path: Path) -> None:
    said = everything(distribution)
    latent = said.input("latent")
    assert latent is not None
    asked = {"seeds": [7, 8], "steps": 5, "first": 2, "count": 4, "truncation": 0.8, "label": 2}
    code = PLAIN + "return plain(wayInputs(readContract(given.said), given.asked));"
    found = node(tmp_path, MODULES, code, {"said": said.to_json(), "asked": asked})
    points = np.concatenate([noise.latents(latent, seed, 0, 1, 0.8) for seed in (7, 8)])
    ours = noise.inputs(said, 7, 0, 4, labels=np.full(4, 2), told=np.full(4, 1.5, np.float32))
    ours["latent"] = interpolation.path(points, 5, latent)[2:6]
    for name in ("noise", "phase"):
        ours[name] = ours[name][:1].repeat(4, axis=0)
    same(found, ours, 1e-7)


# --- files ------------------------------------------------------------------------------------------------------------


def reading(path: Path, folder: Path) -> Any:
    """What the page makes of a file: its contract, or the sentence that refuses it."""
    code = f"return told(() => read(new Uint8Array(readFileSync({json.dumps(str(path))}))));"
    return node(folder, {"onnx_file.mjs": "{ read }"}, code)


def test_the_page_reads_the_contract_that_python_reads(tmp_path: Path) -> None:
    said = tiny_onnx.contract(extra={"licence": "CC0", "nested": {"a": [1, None, True]}})
    path = tiny_onnx.write(tmp_path / "model.onnx", said)
    assert reading(path, tmp_path) == json.loads(read(path).contract.to_json())


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"format": "1"},
        {"labels": "cat"},
        {"labels": []},
        {"samples_seen": -1},
        {"inputs": [{}]},
        {"output": None},
        {"modality": 3},
        {"inputs": [{"name": "z", "kind": "latent", "dtype": "float32", "shape": ["batch", 2**33]}]},
        {"inputs": [{"name": "z", "kind": "latent", "dtype": "float32", "shape": ["batch", "wide"]}]},
        {"inputs": [{"name": "z", "kind": "latent", "dtype": "float64", "shape": ["batch", 5]}]},
        {"role": "judge"},
        {"precision": 16},
    ],
)
def test_a_contract_that_python_refuses_the_page_refuses_too(changes: dict[str, Any], tmp_path: Path) -> None:
    said = {**json.loads(tiny_onnx.contract().to_json()), **changes}
    path = tmp_path / "model.onnx"
    model = tiny_onnx.model(tiny_onnx.contract())
    model.metadata_props[0].value = json.dumps(said)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError):
        read(path)
    sentence = reading(path, tmp_path)["UserError"]
    assert "contract" in sentence
    assert ("newer multigan" in sentence) == (changes == {"format": 2})


def test_an_older_contract_is_a_float32_generators_and_a_discriminators_is_refused(tmp_path: Path) -> None:
    said = json.loads(tiny_onnx.contract().to_json())
    older = {key: value for key, value in said.items() if key not in ("role", "precision")}
    path = tmp_path / "model.onnx"
    model = tiny_onnx.model(tiny_onnx.contract())
    for held, found in ((older, said), ({**said, "role": "discriminator"}, None)):
        model.metadata_props[0].value = json.dumps(held)
        path.write_bytes(model.SerializeToString())
        if found is not None:
            assert reading(path, tmp_path) == found == json.loads(read(path).contract.to_json())
        else:
            assert "makes no samples" in reading(path, tmp_path)["UserError"]


def test_files_that_are_none_are_sentences(tmp_path: Path) -> None:
    whole = tiny_onnx.write(tmp_path / "model.onnx").read_bytes()
    cut, other, text = tmp_path / "cut.onnx", tmp_path / "other.onnx", tmp_path / "text.onnx"
    cut.write_bytes(whole[:-40])
    model = tiny_onnx.model(tiny_onnx.contract())
    del model.metadata_props[:]
    other.write_bytes(model.SerializeToString())
    text.write_text("no model at all, but a text")
    assert "truncated or damaged" in reading(cut, tmp_path)["UserError"]
    assert "not exported by multigan" in reading(other, tmp_path)["UserError"]
    assert "not an ONNX file" in reading(text, tmp_path)["UserError"]
    model = tiny_onnx.model(tiny_onnx.contract())
    model.graph.initializer[0].external_data.add(key="location", value="weights.bin")
    other.write_bytes(model.SerializeToString())
    assert "second file" in reading(other, tmp_path)["UserError"]


def test_the_largest_model_is_one_number_in_both() -> None:
    from multigan.site import LARGEST

    assert "LARGEST = 2 ** 30" in (PAGE / "onnx_file.mjs").read_text()
    assert LARGEST == 2**30


# --- the page's files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted([*PAGE.glob("*.mjs"), *PAGE.glob("*.js")]), ids=lambda path: path.name)
def test_scripts_are_well_formed_and_not_long(path: Path) -> None:
    node_program = shutil.which("node")
    assert node_program
    subprocess.run([node_program, "--check", str(path)], check=True, timeout=60)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 250
    assert max(map(len, lines)) <= 120
    assert not [line for line in lines if line != line.rstrip() or "\t" in line]
    assert not [line for line in lines if "innerHTML" in line or "eval(" in line or "document.write" in line]


def test_the_page_holds_nothing_inline_and_nothing_of_other_sites() -> None:
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    policy = page.split('http-equiv="Content-Security-Policy" content="')[1].split('"')[0]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy
    assert page.count("<script") == page.count('<script type="module" src="') == 1
    assert " style=" not in page
    assert " on" not in [part[:3] for part in page.split("<")]
    for path in PAGE.iterdir():
        words = path.read_text(encoding="utf-8")
        away = words.split("https://")[1:]
        assert all(part.startswith("www.npmjs.com/package/onnxruntime") for part in away)
