// Texts from symbols and symbols from prompts: the twin of multigan/runtime/language.py.

import { inputOf, lengthOf, longestOf } from "./contract.mjs";
import { UserError, printable } from "./mistakes.mjs";
import { Vocabulary, words } from "./vocabulary.mjs";

const FREE = -1;
const NAMED = 5; // unknown symbols that a note shows

export class Language {
  // Throws UserError where the contract is none of a generator of text, or contradicts itself.
  constructor(contract) {
    this.vocabulary = new Vocabulary(contract.extra.vocabulary);
    this.chances = contract.extra.log_probability;
    this.length = lengthOf(contract) ?? 1;
    this.longest = longestOf(contract);
    const last = this.vocabulary.size - 1;
    if (contract.output.maximum !== last || inputOf(contract, "prefix")?.maximum !== last) {
      throw new UserError(`The file's vocabulary has ${last + 1} symbols, and its graph another number: ` +
        "export it again.");
    }
    const names = contract.inputs.map((each) => each.name);
    const lacks = ["prefix", "temperature", "top_k", "top_p"].filter((name) => !names.includes(name));
    if (typeof this.chances !== "string") lacks.push("output of log-probabilities");
    if (lacks.length) throw new UserError(`The file's graph has no ${lacks.join(", ")}: export it again.`);
  }

  // The inputs that `asked` settles: {given, length, note}. note: what of the prompt counts as unknown, or null.
  given({ prompt = "", gap = "", temperature = 1, topK = 0, topP = 1, length = null }) {
    const size = this.vocabulary.size;
    if (!(Number.isFinite(temperature) && temperature >= 0)) {
      throw new UserError(
        `temperature ${temperature} is out of range: choose 0 (always the likeliest symbol) or more.`);
    }
    if (!(Number.isInteger(topK) && topK >= 0 && topK <= size)) {
      throw new UserError(`top-k ${topK} is out of range: choose 1 to ${size}, or 0 for all.`);
    }
    if (!(topP > 0 && topP <= 1)) {
      throw new UserError(`top-p ${topP} is out of range: choose a number above 0 and at most 1 (all).`);
    }
    const long = length ?? this.length;
    if (!(Number.isInteger(long) && long >= 1 && long <= this.longest)) {
      throw new UserError(`length ${long} is out of range: texts of this model have 1 to ${this.longest} symbols.`);
    }
    const parts = this.between(prompt, gap);
    const found = parts.flatMap((part, at) => [...(at ? [FREE] : []), ...this.vocabulary.encode(part)]);
    if (found.length > long) {
      const mend = long === this.longest ? "shorten it" : "shorten it, or ask for a greater length";
      throw new UserError(`The prompt has ${found.length} symbols, and the texts ${long}: ${mend}.`);
    }
    const prefix = [...found, ...new Array(long - found.length).fill(FREE)];
    return { given: { prefix, temperature, top_k: topK, top_p: topP }, length: long, note: this.note(parts) };
  }

  // What of a prompt lies between its gaps.
  between(prompt, gap) {
    if (gap === "") return [prompt];
    if ([...gap].length !== 1 || words(gap).length === 0) {
      throw new UserError(`The mark of a gap, \u201c${printable(gap, 20)}\u201d, is not one visible character: ` +
        "choose one such as _.");
    }
    if (this.vocabulary.kind !== "words") return prompt.split(gap);
    const parts = [[]];
    for (const word of words(prompt)) {
      if (word === gap) parts.push([]);
      else parts.at(-1).push(word);
    }
    return parts.map((part) => part.join(" "));
  }

  note(parts) {
    if (this.vocabulary.unknownNumber === null) return null;
    const unknown = [...new Set(parts.flatMap((part) => this.vocabulary.unknown(part)))];
    if (!unknown.length) return null;
    const more = unknown.length > NAMED ? ` and ${unknown.length - NAMED} more` : "";
    const shown = unknown.slice(0, NAMED).map((each) => `\u201c${printable(each, 20)}\u201d`).join(", ");
    return `${shown}${more}: not in the vocabulary, taken as the unknown symbol.`;
  }
}
