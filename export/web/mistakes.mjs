// What a visitor can mend: one clear sentence, shown as it is. Anything else is a bug and says so.

export class UserError extends Error {
  constructor(sentence) {
    super(sentence);
    this.name = "UserError";
  }
}

const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

// A text that a file says of itself, as it may be shown: no control characters, no marks that turn its order around.
export function printable(text, most = 200) {
  const letters = [...String(text).replace(UNSEEN, "\ufffd")];
  return letters.length > most ? letters.slice(0, most).join("") + "\u2026" : letters.join("");
}

// A whole number that a visitor typed. Throws UserError where it is none or lies outside of least to most.
export function wholeNumber(name, text, least, most) {
  const words = String(text).trim();
  const value = Number(words);
  if (!/^[0-9]+$/.test(words) || !Number.isSafeInteger(value) || value < least || value > most) {
    throw new UserError(
      `${name} ${printable(words, 40)} is out of range: choose a whole number from ${least} to ${most}.`);
  }
  return value;
}

// A seed, as a BigInt. Throws UserError where it is none.
export function seedOf(text) {
  const words = String(text).trim();
  if (!/^[0-9]{1,20}$/.test(words) || BigInt(words) >= 1n << 64n) {
    throw new UserError(
      `seed ${printable(words, 40)} is out of range: choose a whole number from 0 to ${(1n << 64n) - 1n}.`);
  }
  return BigInt(words);
}
