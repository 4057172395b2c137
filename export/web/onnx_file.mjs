// What an ONNX file says of itself, read from its bytes without running any of it: the twin of runtime/onnx_file.py.
// The file is one protobuf message; only its fields that have a length are walked, and weights are skipped.

import { UserError } from "./mistakes.mjs";
import { readContract } from "./contract.mjs";

export const KEY = "multigan";
export const LARGEST = 2 ** 30; // bytes: the WebAssembly memory of 4 GiB holds a file twice, and what it computes
const DEEPEST = 64;
const [VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES] = [0, 1, 2, 5];
const MODEL_PROPERTIES = 14, EXTERNAL = 13, PAIR_KEY = 1, PAIR_VALUE = 2;

// Which fields of which messages lead to a tensor, and so perhaps to another file (onnx.proto).
const MESSAGES = {
  model: { 7: "graph", 20: "training", 25: "function" },
  training: { 1: "graph", 2: "graph" },
  function: { 7: "node", 11: "attribute" },
  graph: { 1: "node", 5: "tensor", 15: "sparse" },
  node: { 5: "attribute" },
  attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse" },
  sparse: { 1: "tensor", 2: "tensor" },
  tensor: {},
};

class Damaged extends Error {}

function varint(bytes, at, end) {
  let value = 0;
  for (let place = 0; place < 10; place++) {
    if (at >= end) throw new Damaged("it ends too early");
    const byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** (7 * place); // not shifted: lengths may pass 32 bits
    if (byte < 0x80) return [value, at];
  }
  throw new Damaged("it holds a number that is too long");
}

// The fields that have a length: number, first byte, end.
function* fields(bytes, at, end) {
  while (at < end) {
    let tag, length;
    [tag, at] = varint(bytes, at, end);
    const number = Math.floor(tag / 8), wire = tag % 8;
    if (wire === VARINT) {
      [, at] = varint(bytes, at, end);
      continue;
    }
    if (wire === LENGTH) [length, at] = varint(bytes, at, end);
    else if (wire === EIGHT_BYTES || wire === FOUR_BYTES) length = wire === EIGHT_BYTES ? 8 : 4;
    else throw new Damaged("it holds a field of unknown type");
    if (number === 0 || at + length > end) throw new Damaged("it ends too early");
    if (wire === LENGTH) yield [number, at, at + length];
    at += length;
  }
}

function pair(bytes, from, to) {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const found = {};
  for (const [number, first, end] of fields(bytes, from, to)) {
    if (number !== PAIR_KEY && number !== PAIR_VALUE) continue;
    try {
      found[number] = decoder.decode(bytes.subarray(first, end));
    } catch {
      throw new Damaged("it holds a text that is not UTF-8");
    }
  }
  return [found[PAIR_KEY] ?? "", found[PAIR_VALUE] ?? ""];
}

// The first name of another file that a tensor inside the message gives, or null.
function elsewhere(bytes, from, to, kind, depth) {
  if (depth > DEEPEST) throw new Damaged("its graphs are nested too deeply");
  const inside = MESSAGES[kind];
  let found = null;
  for (const [number, first, end] of fields(bytes, from, to)) {
    if (kind === "tensor" && number === EXTERNAL) {
      const [key, text] = pair(bytes, first, end);
      if (key === "location") found ??= text;
    } else if (number in inside) {
      found ??= elsewhere(bytes, first, end, inside[number], depth + 1);
    }
  }
  return found;
}

// The metadata of a model, and another file that it keeps weights in. Throws where the bytes are no whole message.
function summarize(bytes) {
  const properties = new Map();
  for (const [number, first, end] of fields(bytes, 0, bytes.length)) {
    if (number === MODEL_PROPERTIES) properties.set(...pair(bytes, first, end));
  }
  return { properties, external: elsewhere(bytes, 0, bytes.length, "model", 0) };
}

// Throws UserError where a file is larger than the page takes.
export function checkSize(size) {
  if (size > LARGEST) {
    throw new UserError(`This file has ${(size / 1e9).toFixed(1)} GB, and a browser can run models up to ` +
      `${(LARGEST / 1e9).toFixed(1)} GB: run it with multigan generate.`);
  }
}

// The contract of a file's bytes (Uint8Array). Throws UserError where they are not a whole file of multigan's.
export function read(bytes) {
  checkSize(bytes.length);
  let summary;
  try {
    summary = summarize(bytes);
  } catch (error) {
    if (!(error instanceof Damaged)) throw error;
    if (bytes[0] === 8 && bytes.length > 16) {
      throw new UserError(`This file is truncated or damaged (${error.message}): export or copy it again.`);
    }
    throw new UserError("This is not an ONNX file: choose the .onnx that multigan export wrote.");
  }
  if (!summary.properties.has(KEY)) {
    throw new UserError(
      "This file was not exported by multigan (it holds no contract): export one with multigan export.");
  }
  if (summary.external !== null) {
    throw new UserError("This model keeps weights in a second file, which a page cannot load: " +
      "run it with multigan generate.");
  }
  return readContract(summary.properties.get(KEY));
}
