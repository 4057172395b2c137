// The inputs that a graph wants, from a seed and what was asked: the twin of multigan/noise.py's `inputs` and of the
// runtime's labels and paths.

import * as noise from "./noise.mjs";
import { inputOf, isNumberInput, lengthOf, numberOf } from "./contract.mjs";
import { UserError } from "./mistakes.mjs";

const FREE = -1; // in a prefix: what the generator may choose

function sized(shape, length) {
  return shape.slice(1).map((axis) => (typeof axis === "string" ? length ?? 1 : axis));
}

const product = (sizes) => sizes.reduce((all, size) => all * size, 1);

function array(dtype, count, value) {
  return dtype === "int64" ? new BigInt64Array(count).fill(BigInt(value)) : new Float32Array(count).fill(value);
}

// Samples start to start + count of a latent or noise input, row after row.
export function latents(each, seed, start, count, truncation = null, stream = 0, length = null) {
  const draw = each.distribution === "uniform" ? noise.uniform : noise.normal;
  return draw(seed, start, count, product(sized(each.shape, length)), truncation, stream);
}

// The class of each sample: `label` for all, or in turn where it is null. Null for a model without classes.
export function labelsOf(contract, label, start, count) {
  if (!inputOf(contract, "label")) return null;
  const classes = contract.labels.length;
  if (label !== null && !(Number.isInteger(label) && label >= 0 && label < classes)) {
    throw new UserError(`There is no class ${label}: the model has ${classes}, numbered 0 to ${classes - 1}.`);
  }
  return Array.from({ length: count }, (_, at) => label ?? (start + at) % classes);
}

// The number of each sample, Float32Array: `number` for all, or in turn where it is null. Null for a model without.
export function numbersOf(contract, number, start, count) {
  const bounds = numberOf(contract);
  if (!bounds) return null;
  if (number === null) return noise.numbers(bounds.minimum, bounds.maximum, start, count, contract.labels.length);
  const told = Math.fround(number); // as float32 all three: 0.7 lies within a range up to 0.7
  if (!(told >= Math.fround(bounds.minimum) && told <= Math.fround(bounds.maximum))) {
    throw new UserError(
      `The number ${number} is out of range: the model knows ${bounds.minimum} to ${bounds.maximum}.`);
  }
  return new Float32Array(count).fill(told);
}

function prefixOf(each, count, length, symbols) {
  const row = product(sized(each.shape, length));
  const values = array(each.dtype, count * row, each.default ?? FREE);
  if (symbols === undefined) return values;
  if (symbols.length !== row) {
    throw new UserError(`The ${each.name} has ${symbols.length} symbols where ${row} are wanted.`);
  }
  const told = each.dtype === "int64" ? symbols.map(BigInt) : symbols;
  for (let at = 0; at < count; at++) values.set(told, at * row);
  return values;
}

// The inputs for samples start to start + count of a seed: [{name, type, data, dims}].
//
// asked: {seed, start, count, truncation, labels, numbers, length, given}. labels, numbers: of each sample, or null.
// given: by the inputs' names, values of scalars and the symbols of a prefix, the same for all samples. The first
// latent or noise input draws from stream 0, the next from stream 1, and so on. Throws UserError for an input of
// another kind.
export function inputs(contract, asked) {
  const { seed, start, count, truncation = null, labels = null, numbers = null, given = {} } = asked;
  const length = asked.length ?? lengthOf(contract);
  let stream = 0;
  return contract.inputs.map((each) => {
    const dims = each.kind === "scalar" ? [] : [count, ...sized(each.shape, length)];
    const made = (data) => ({ name: each.name, type: each.dtype, data, dims });
    if (each.kind === "latent" || each.kind === "noise") {
      const held = each.kind === "latent" ? truncation : null;
      return made(latents(each, seed, start, count, held, stream++, length));
    }
    if (each.kind === "label") {
      return made(BigInt64Array.from(labels ?? labelsOf(contract, null, start, count), BigInt));
    }
    if (isNumberInput(each)) return made(numbers ?? numbersOf(contract, null, start, count));
    if (each.kind === "prefix") return made(prefixOf(each, count, length, given[each.name]));
    const value = given[each.name] ?? each.default;
    if (each.kind === "scalar" && value !== null) return made(array(each.dtype, 1, value));
    throw new UserError(`The input ${each.name} of kind ${each.kind} is one that this page cannot fill: ` +
      "write the page again with a newer multigan.");
  });
}

// --- the way between two seeds --------------------------------------------------------------------------------------

function straight(left, right, share) {
  return Float32Array.from(left, (value, at) => value * (1 - share) + right[at] * share);
}

// The great circle from left to right (Shoemake, 1985); straight where they are parallel.
export function spherical(left, right, share) {
  let dot = 0, first = 0, second = 0;
  for (let at = 0; at < left.length; at++) {
    dot += left[at] * right[at];
    first += left[at] ** 2;
    second += right[at] ** 2;
  }
  const lengths = Math.sqrt(first) * Math.sqrt(second), cosine = lengths ? dot / lengths : 1;
  if (Math.abs(cosine) > 1 - 1e-9) return straight(left, right, share);
  const angle = Math.acos(cosine), near = Math.sin((1 - share) * angle), far = Math.sin(share * angle);
  return Float32Array.from(left, (value, at) => (near * value + far * right[at]) / Math.sin(angle));
}

// The inputs for steps first to first + count of the way from sample 0 of one seed to that of another in `steps` steps.
// What else the graph draws is that of the first seed all along: it would jump otherwise. label: one class for all the
// way, class 0 where it is null. number: one for all the way, the contract's own where it is null.
export function wayInputs(contract, { seeds, steps, first, count, truncation = null, label = null, number = null }) {
  const latent = inputOf(contract, "latent"), bounds = numberOf(contract);
  if (!latent) throw new UserError("This model has no latent to move through.");
  const [left, right] = seeds.map((seed) => latents(latent, seed, 0, 1, truncation));
  const move = latent.distribution === "uniform" ? straight : spherical;
  const points = Array.from({ length: count }, (_, at) => (
    first + at === steps ? right : move(left, right, (first + at) / steps)));
  const labels = labelsOf(contract, label ?? 0, 0, count);
  const numbers = numbersOf(contract, number ?? bounds?.default ?? bounds?.minimum ?? null, 0, count);
  return inputs(contract, { seed: seeds[0], start: 0, count, labels, numbers, truncation }).map((made) => {
    const { kind } = contract.inputs.find((each) => each.name === made.name);
    const row = made.data.length / count;
    if (made.name === latent.name) points.forEach((point, at) => made.data.set(point, at * row));
    else if (kind === "noise") for (let at = 1; at < count; at++) made.data.copyWithin(at * row, 0, row);
    return made;
  });
}
