// What an exported file says of itself: the twin of multigan/contract.py. Every field is checked, since the file may
// be anyone's; fields that are not known are left out.

import { UserError } from "./mistakes.mjs";

const FORMAT = 1;
const DEEPEST = 32, MOST_AXES = 8, LARGEST = 2 ** 53;
const LONGEST = 2 ** 16; // symbols of one text
const LARGEST_DRAW = 2 ** 24; // values of noise for one sample
const MOST_LABELS = 100_000;
const KINDS = ["latent", "label", "condition", "noise", "prefix", "scalar", "sample"];
const ROLES = ["generator", "discriminator"], PRECISIONS = ["fp32", "fp16", "int8"];
const DTYPES = ["float32", "int64"];

const isText = (value) => typeof value === "string";
const isCount = (value) => Number.isInteger(value) && value >= 0 && value <= LARGEST;
const isNumber = (value) => value === null || (typeof value === "number" && Math.abs(value) <= LARGEST);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isShape = (value) => Array.isArray(value) && value.length <= MOST_AXES &&
  value.every((axis) => isText(axis) || (isCount(axis) && axis > 0));

function isShallow(value, levels) {
  const inside = typeof value === "object" && value !== null ? Object.values(value) : [];
  return levels > 0 && inside.every((each) => isShallow(each, levels - 1));
}

const TEXT = [isText, "text"], COUNT = [isCount, "a whole number from 0"], NUMBER = [isNumber, "a finite number"];
const SHAPE = [isShape, `a list of up to ${MOST_AXES} names and numbers above 0`];
const OBJECT = [(value) => isObject(value) && isShallow(value, DEEPEST), `an object of at most ${DEEPEST} levels`];
const DTYPE = [(value) => DTYPES.includes(value), `one of ${DTYPES.join(", ")}`];

// By field: what its value fulfils, that in words, and the value of one that is absent (without it: required).
const CONTRACT = {
  modality: TEXT,
  name: TEXT,
  inputs: [(value) => Array.isArray(value) && value.every(isObject), "a list of objects"],
  output: OBJECT,
  labels: [(value) => Array.isArray(value) && value.every(isText), "a list of texts", []],
  recipe: [...OBJECT, {}],
  samples_seen: [...COUNT, 0],
  version: [...TEXT, ""],
  format: [...COUNT, FORMAT],
  extra: [...OBJECT, {}],
  role: [(value) => ROLES.includes(value), `one of ${ROLES.join(", ")}`, "generator"],
  precision: [(value) => PRECISIONS.includes(value), `one of ${PRECISIONS.join(", ")}`, "fp32"],
};
const OUTPUT = { name: TEXT, dtype: DTYPE, shape: SHAPE, minimum: [...NUMBER, null], maximum: [...NUMBER, null] };
const INPUT = {
  ...OUTPUT,
  kind: [(value) => KINDS.includes(value), `one of ${KINDS.join(", ")}`],
  distribution: [(value) => [null, "normal", "uniform"].includes(value), "normal or uniform", null],
  default: [...NUMBER, null],
};

function damaged(reason) {
  return new UserError(`This file's multigan contract is damaged (${reason}): export it again.`);
}

function checked(raw, rules, place) {
  const known = {};
  for (const [name, [holds, words, absent]] of Object.entries(rules)) {
    if (!Object.hasOwn(raw, name)) {
      if (absent === undefined) throw damaged(`${place}${name} is missing`);
      known[name] = absent;
    } else if (!holds(raw[name])) {
      throw damaged(`${place}${name} is not ${words}`);
    } else {
      known[name] = raw[name];
    }
  }
  return known;
}

// Read a contract's JSON. Throws UserError where it is malformed, contradicts itself or is of a newer format.
export function readContract(text) {
  let raw;
  try {
    raw = JSON.parse(text);
  } catch {
    throw damaged("it is no JSON");
  }
  if (!isObject(raw)) throw damaged("it is no object");
  if (!isCount(raw.format ?? -1)) throw damaged("format is not a whole number from 0");
  if (raw.format > FORMAT) {
    throw new UserError(`This file's contract has format ${raw.format} and this page reads up to ${FORMAT}: ` +
      "write the page again with a newer multigan (pip install --upgrade multigan).");
  }
  const contract = checked(raw, CONTRACT, "");
  contract.inputs = contract.inputs.map((each, index) => checked(each, INPUT, `inputs[${index}].`));
  contract.output = checked(contract.output, OUTPUT, "output.");
  if (contract.role !== "generator") {
    throw new UserError("This file holds a discriminator: it makes no samples. Give a file that multigan export " +
      "wrote without --discriminator.");
  }
  if (!isSound(contract)) throw new UserError("This file holds a contract that contradicts itself: export it again.");
  return contract;
}

// The first input of that kind, or undefined.
export function inputOf(contract, kind) {
  return contract.inputs.find((each) => each.kind === kind);
}

// The input that takes a number for each sample, between a minimum and a maximum, or undefined.
export function numberOf(contract) {
  return contract.inputs.find(isNumberInput);
}

export function isNumberInput(each) {
  return each.kind === "condition" && each.dtype === "float32" && each.shape.length === 1 &&
    each.minimum !== null && each.maximum !== null && each.minimum < each.maximum;
}

// The length that the contract names for axes without a size, or null.
export function lengthOf(contract) {
  const found = contract.extra.length;
  return Number.isInteger(found) && found > 0 ? found : null;
}

// The most symbols of one text.
export function longestOf(contract) {
  return Number.isInteger(contract.extra.longest) ? contract.extra.longest : LONGEST;
}

// Whether the contract's parts agree, and ask for no more noise than a page can draw.
function isSound(contract) {
  const length = lengthOf(contract), longest = contract.extra.longest ?? LONGEST;
  const lengths = length !== null && Number.isInteger(longest) && length <= longest && longest <= LONGEST;
  const most = lengths ? Math.max(length, contract.extra.longest ?? 0) : null;
  const drawn = contract.inputs.filter((each) => each.kind === "latent" || each.kind === "noise")
    .map((each) => each.shape.slice(1).map((axis) => (axis === "length" ? most : axis)));
  return (contract.labels.length > 0 || inputOf(contract, "label") === undefined) &&
    contract.labels.length <= MOST_LABELS &&
    drawn.every((shape) => shape.every((axis) => typeof axis === "number")) &&
    drawn.every((shape) => shape.reduce((product, axis) => product * axis, 1) <= LARGEST_DRAW);
}
