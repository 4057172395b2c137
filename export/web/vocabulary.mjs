// What numbers mean in a text, and the numbers of a text: the twin of multigan/vocabulary.py. Lengths count code
// points.

import { UserError, printable } from "./mistakes.mjs";

const END = "<end>", UNKNOWN = "<unk>";
const LARGEST = 200_000, LONGEST_SYMBOL = 1024, REMEMBERED = 2 ** 16;
const KINDS = ["characters", "words", "bpe", "symbols"];
const MARKS = String.raw`!"#$%&()*+,\-./:;<=>?@\[\\\]^_{|}~` + "`";
const PIECES = new RegExp(` ?[^ \\t\\r\\n${MARKS}]{1,64}| ?[${MARKS}]{1,64}|[ \\t\\r\\n]`, "gu");
// Python's white space: JavaScript's \s has U+FEFF besides, and not the separators of ASCII and U+0085.
const WHITE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;
const HALF = /\p{Surrogate}/u;

// A text's parts between white space.
export const words = (text) => text.split(WHITE).filter((word) => word);
const isTexts = (value) => Array.isArray(value) && value.every((each) => typeof each === "string");

export class Vocabulary {
  // raw: as the contract has it. Throws UserError where it is damaged: nothing about it is taken on trust.
  constructor(raw) {
    const reason = wrong(raw);
    if (reason) throw new UserError(`The file's vocabulary is damaged (${reason}): export it again.`);
    ({ kind: this.kind, symbols: this.symbols, end: this.end } = raw);
    this.lowercase = raw.lowercase ?? false;
    this.specials = this.end ? 2 : Number(this.symbols[0] === UNKNOWN);
    this.unknownNumber = this.specials ? this.specials - 1 : null;
    this.numbers = new Map(this.symbols.map((symbol, number) => [symbol, number]).slice(this.specials));
    this.ranks = ranksOf(raw.merges ?? []);
    this.lengths = this.kind === "symbols" ? lengthsOf(this.numbers.keys()) : new Map();
    this.merged = new Map();
  }

  get size() {
    return this.symbols.length;
  }

  // The numbers of a text, its end left out. Throws UserError where something is unknown that may not be.
  encode(text) {
    if (this.unknownNumber === null) {
      const [first] = this.unknown(text);
      if (first !== undefined) {
        throw new UserError(`\u201c${printable(first, 40)}\u201d is not in the vocabulary, which has no ${UNKNOWN}: ` +
          "leave it away.");
      }
    }
    return this.parts(text).map((symbol) => this.numbers.get(symbol) ?? this.unknownNumber);
  }

  // The text of numbers up to the first end.
  decode(numbers) {
    const found = [];
    for (const number of numbers) {
      if (this.end && number === 0) break;
      if (!(number >= 0 && number < this.size)) {
        throw new UserError(`The vocabulary has ${this.size} symbols and none of the number ${number}.`);
      }
      found.push(this.symbols[number]);
    }
    return found.join(this.kind === "words" ? " " : "");
  }

  // What of a text is not in the vocabulary, each once, in order.
  unknown(text) {
    return [...new Set(this.parts(text).filter((symbol) => !this.numbers.has(symbol)))];
  }

  // The symbols of a text and what is unknown between them.
  parts(text) {
    const told = this.lowercase ? text.toLowerCase() : text;
    if (this.kind === "characters") return [...told];
    if (this.kind === "words") return words(told);
    return this.kind === "bpe" ? this.merging(told) : this.longest(told);
  }

  longest(text) {
    const found = [];
    for (let at = 0; at < text.length;) {
      const first = String.fromCodePoint(text.codePointAt(at));
      const lengths = this.lengths.get(first) ?? [];
      const length = lengths.find((each) => this.numbers.has(text.slice(at, at + each))) ?? first.length;
      found.push(text.slice(at, at + length));
      at += length;
    }
    return found;
  }

  merging(text) {
    return [...text.matchAll(PIECES)].flatMap(([word]) => {
      let parts = this.merged.get(word);
      if (!parts) {
        parts = merge(word, this.ranks);
        if (this.merged.size >= REMEMBERED) this.merged.clear();
        this.merged.set(word, parts);
      }
      return parts;
    });
  }
}

// By the left part, by the right one: the place of a merge in their order.
function ranksOf(merges) {
  const ranks = new Map();
  merges.forEach(([left, right], rank) => {
    if (!ranks.has(left)) ranks.set(left, new Map());
    if (!ranks.get(left).has(right)) ranks.get(left).set(right, rank);
  });
  return ranks;
}

// By the first character: how long symbols are in a string's units, the longest first.
function lengthsOf(symbols) {
  const found = new Map();
  for (const symbol of symbols) {
    const first = String.fromCodePoint(symbol.codePointAt(0));
    found.set(first, (found.get(first) ?? new Set()).add(symbol.length));
  }
  for (const [first, lengths] of found) found.set(first, [...lengths].sort((one, other) => other - one));
  return found;
}

// The parts of a word: of all neighbours that may be merged those of the lowest rank, from the left, until there are
// none.
function merge(word, ranks) {
  const parts = [...word];
  for (;;) {
    let best = Infinity, place = -1;
    for (let at = 0; at + 1 < parts.length; at++) {
      const rank = ranks.get(parts[at])?.get(parts[at + 1]) ?? Infinity;
      if (rank < best) [best, place] = [rank, at];
    }
    if (place < 0) return parts;
    parts.splice(place, 2, parts[place] + parts[place + 1]);
  }
}

// Why plain data is no vocabulary, a clause; null where it is one.
function wrong(raw) {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return "it is no object";
  const { kind, symbols, end, merges = [], lowercase = false, pattern = null } = raw;
  if (!KINDS.includes(kind)) return `its kind is none of ${KINDS.join(", ")}`;
  if (!isTexts(symbols)) return "its symbols are no list of texts";
  if (!Array.isArray(merges) || !merges.every((pair) => isTexts(pair) && pair.length === 2)) {
    return "its merges are no list of pairs of texts";
  }
  if (typeof end !== "boolean" || typeof lowercase !== "boolean") return "end and lowercase are not true or false";
  if (pattern !== null && typeof pattern !== "string") return "its pattern is no text";
  if (symbols.length < 1 || symbols.length > LARGEST) {
    return `it has ${symbols.length} symbols, and 1 to ${LARGEST} are possible`;
  }
  if (end && (symbols[0] !== END || symbols[1] !== UNKNOWN)) return `it does not begin with ${END} and ${UNKNOWN}`;
  return wrongSymbols(kind, symbols.slice(end ? 2 : Number(symbols[0] === UNKNOWN))) ??
    wrongMerges(kind, merges, new Set(symbols.slice(end ? 2 : Number(symbols[0] === UNKNOWN))));
}

function wrongSymbols(kind, symbols) {
  if (new Set(symbols).size < symbols.length) return "a symbol is there twice";
  if (symbols.length === 0) return "it has no symbol of text";
  for (const symbol of symbols) {
    const length = [...symbol].length;
    if (length < 1 || length > LONGEST_SYMBOL) {
      return `a symbol has ${length} characters, and 1 to ${LONGEST_SYMBOL} are possible`;
    }
    if (kind === "characters" && length > 1) return "a symbol is more than one character";
    if (kind === "words" && words(symbol).join() !== symbol) return "a symbol is no word";
    if (HALF.test(symbol)) return "a symbol is half a character";
  }
  return null;
}

function wrongMerges(kind, merges, known) {
  if (merges.length && kind !== "bpe") return `symbols of kind ${kind} are not merged, and it has merges`;
  if (merges.length > LARGEST) return `it has ${merges.length} merges, and ${LARGEST} are the most`;
  const all = merges.every(([left, right]) => known.has(left) && known.has(right) && known.has(left + right));
  return all ? null : "it merges what is not among its symbols";
}
