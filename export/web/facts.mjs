// What a contract says, in words for a person.

import { inputOf, numberOf } from "./contract.mjs";

const SHOWN = 12;

// A number of bytes in words.
export function sizeOf(bytes) {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function makes({ modality, output: { shape }, extra }) {
  if (modality === "image") {
    const colours = { 1: "grey", 3: "colour", 4: "colour with transparency" };
    return `pictures of ${shape[3]} \u00d7 ${shape[2]}, ${colours[shape[1]]}`;
  }
  if (modality === "audio") {
    const seconds = typeof shape[2] === "number" ? ` of ${(shape[2] / extra.sample_rate).toFixed(2)} s` : "";
    return `sounds${seconds} at ${extra.sample_rate.toLocaleString("en")} Hz, ` +
      `${shape[1] === 1 ? "1 channel" : `${shape[1]} channels`}`;
  }
  const { kind, symbols } = extra.vocabulary;
  return `texts of up to ${extra.length} symbols, ${symbols.length.toLocaleString("en")} known (${kind})`;
}

// Pairs of a term and what is said.
export function factsOf(contract, name, bytes) {
  const { labels, extra } = contract, bounds = numberOf(contract);
  const shown = labels.slice(0, SHOWN).join(", ") + (labels.length > SHOWN ? ` and ${labels.length - SHOWN} more` : "");
  const facts = [
    ["Name", contract.name],
    ["File", `${name}, ${sizeOf(bytes)}`],
    ["Makes", makes(contract)],
    ["Trained on", `${contract.samples_seen.toLocaleString("en")} samples shown`],
  ];
  if (inputOf(contract, "label")) facts.push([`${labels.length} labels`, shown]);
  if (bounds) facts.push(["Number", `${extra.number_column ?? "number"}, ${bounds.minimum} to ${bounds.maximum}`]);
  for (const field of ["licence", "license"]) {
    if (typeof extra[field] === "string") facts.push(["Licence", extra[field]]);
  }
  if (contract.version) facts.push(["Written by", `multigan ${contract.version}`]);
  return facts;
}
