// Whether a graph takes and gives what its contract says.

import { UserError } from "./mistakes.mjs";

export const MODALITIES = ["image", "audio", "text"];
const LARGEST_OUTPUT = 2 ** 26; // values of one sample
const MOST_CHANNELS = 64, HIGHEST_RATE = 768_000;

// Throws UserError for a modality, or a shape of samples, that the page cannot show.
export function checkModality(contract) {
  const { modality, output: { shape }, extra } = contract;
  if (!MODALITIES.includes(modality)) {
    throw new UserError(`This model makes ${modality}, which this page cannot show: ` +
      "write the page again with a newer multigan.");
  }
  if (shape.slice(1).reduce((all, axis) => all * (typeof axis === "number" ? axis : 1), 1) > LARGEST_OUTPUT) {
    throw new UserError("One sample of this model is larger than a page can show: run it with multigan generate.");
  }
  if (modality === "image" && !(shape.length === 4 && [1, 3, 4].includes(shape[1]))) {
    throw new UserError(`This model's output [${shape}] is no batch of pictures with 1, 3 or 4 channels.`);
  }
  const rate = extra.sample_rate;
  const sounds = shape.length === 3 && shape[1] <= MOST_CHANNELS && Number.isInteger(rate) && rate >= 1 &&
    rate <= HIGHEST_RATE;
  if (modality === "audio" && !sounds) {
    throw new UserError("The contract has no sample rate, or its output is no batch of sounds: export it again.");
  }
  if (modality === "text" && shape.length !== 2) {
    throw new UserError("The output is no batch of texts: export it again.");
  }
}

// Throws UserError where a session's graph has other inputs and outputs than the contract. chances: of a text's model
// the name of the log-probabilities.
export function checkGraph(contract, session, chances) {
  checkModality(contract);
  const said = contract.inputs.map((each) => each.name).sort().join();
  const gives = [contract.output.name, ...(chances === undefined ? [] : [chances])];
  if ([...session.inputNames].sort().join() !== said || !gives.every((name) => session.outputNames.includes(name))) {
    throw new UserError("The graph of this file takes or gives something else than its contract says: " +
      "export it again.");
  }
  const pairs = contract.inputs.map((each) => [each, session.inputMetadata.find(({ name }) => name === each.name)]);
  pairs.push([contract.output, session.outputMetadata.find(({ name }) => name === contract.output.name)]);
  for (const [each, { isTensor, type, shape }] of pairs) {
    if (!isTensor || type !== each.dtype || shape.length !== each.shape.length) {
      throw new UserError(`The ${each.name} of this file is something else than its contract says: export it again.`);
    }
  }
}

// Throws UserError where an output is not what the contract says. axes: the sizes of the axes that have a name.
export function checkOutput(contract, axes, data, dims) {
  const said = contract.output;
  const wanted = [axes.batch, ...said.shape.slice(1).map((axis) => (typeof axis === "string" ? axes[axis] : axis))];
  if (dims.join() !== wanted.join()) {
    throw new UserError(`The model gave [${dims}] for ${axes.batch} samples, where its contract says ` +
      `[${said.shape}]: export it again.`);
  }
  if (said.dtype === "float32" && !data.every(Number.isFinite)) {
    throw new UserError(
      "The model gives values that are not numbers: its training went wrong, export another checkpoint.");
  }
  if (said.dtype === "int64" && !data.every((value) => value >= said.minimum && value <= said.maximum)) {
    throw new UserError("The model gives symbols that its vocabulary does not have: export it again.");
  }
}
