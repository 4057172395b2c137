// Runs a model beside the page, so that the page never freezes. A message {id, call, ...} is answered by {id, value} or
// {id, error, mendable}.

import * as ort from "./ort/ort.wasm.bundle.min.mjs";
import { UserError } from "./mistakes.mjs";
import { inputs, labelsOf, numbersOf, wayInputs } from "./inputs.mjs";
import { Language } from "./language.mjs";
import { checkOutput, checkGraph } from "./checks.mjs";
import { read } from "./onnx_file.mjs";

ort.env.wasm.numThreads = 1; // more need headers (COOP, COEP) that a plain host does not send
ort.env.logLevel = "fatal";

let session = null, contract = null, language = null;

async function start(bytes) {
  try {
    return await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], logSeverityLevel: 4 });
  } catch (error) {
    throw new UserError(`onnxruntime cannot load this file: ${firstLine(error)}`);
  }
}

async function run(made, names) {
  const feeds = Object.fromEntries(made.map(({ name, type, data, dims }) => [name, new ort.Tensor(type, data, dims)]));
  try {
    return await session.run(feeds, names);
  } catch (error) {
    throw new UserError(`onnxruntime could not run the model: ${firstLine(error)}`);
  }
}

const firstLine = (error) => String(error?.message ?? error).trim().split("\n")[0].slice(0, 300);

function axesOf(made) {
  const axes = {};
  for (const each of contract.inputs) {
    const { dims } = made.find(({ name }) => name === each.name);
    each.shape.forEach((axis, at) => { if (typeof axis === "string") axes[axis] = dims[at]; });
  }
  return axes;
}

// What the graph gives, checked: {data, dims}, with the symbols of texts as numbers.
async function result(made, count) {
  const output = contract.output.name;
  const found = await run(made, language ? [output, language.chances] : [output]);
  const { data, dims } = found[output];
  checkOutput(contract, { ...axesOf(made), batch: count }, data, dims);
  if (!language) return { data, dims };
  const symbols = Int32Array.from(data, Number), row = symbols.length / count;
  const chances = found[language.chances].data;
  if (chances.length !== symbols.length) {
    throw new UserError("The model gives too few log-probabilities: export it again.");
  }
  const each = Array.from({ length: count }, (_, at) => at * row);
  return {
    data: symbols,
    dims,
    texts: each.map((first) => language.vocabulary.decode(symbols.subarray(first, first + row))),
    chances: each.map((first) => chances.subarray(first, first + row).reduce((sum, chance) => sum + chance, 0)),
  };
}

const calls = {
  // The contract of a file's bytes, once it can be run.
  async open({ buffer }) {
    await session?.release();
    session = null;
    const bytes = new Uint8Array(buffer);
    contract = read(bytes);
    language = contract.modality === "text" ? new Language(contract) : null;
    session = await start(bytes);
    checkGraph(contract, session, language?.chances);
    return contract;
  },

  // Samples start to start + count of a seed, with the class and number of each: see inputs.mjs for what is asked.
  async sample({ asked }) {
    const { start: first, count } = asked;
    const text = language ? language.given(asked.sampling ?? {}) : { note: null };
    const labels = labelsOf(contract, asked.label ?? null, first, count);
    const numbers = numbersOf(contract, asked.number ?? null, first, count);
    const made = inputs(contract, { ...asked, labels, numbers, length: text.length, given: text.given });
    return { ...await result(made, count), labels, numbers, note: text.note };
  },

  // Samples first to first + count of the way between two seeds.
  async way({ asked }) {
    return result(wayInputs(contract, asked), asked.count);
  },
};

onmessage = async ({ data }) => {
  const { id, call, ...given } = data;
  try {
    const value = await calls[call](given);
    postMessage({ id, value }, value.data ? [value.data.buffer] : []);
  } catch (error) {
    postMessage({ id, error: firstLine(error), mendable: error instanceof UserError });
  }
};

postMessage({ id: 0, value: "ready" });
