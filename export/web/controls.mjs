// The controls that a contract asks for, and what is asked with them.

import { element } from "./dom.mjs";
import { inputOf, lengthOf, longestOf, numberOf } from "./contract.mjs";
import { UserError, printable, seedOf, wholeNumber } from "./mistakes.mjs";

const MOST_SAMPLES = 2 ** 53 - 2;
const WIDEST = { normal: 3, uniform: 1 }; // of the truncation's slider, where it means none

let serial = 0;

// A labelled control. hint: a sentence below it.
export function field(words, control, hint = "") {
  control.id = `control-${++serial}`;
  const label = element("label", { htmlFor: control.id }, words);
  const made = element("div", { className: "field" }, label, control);
  if (hint) {
    const said = element("small", { id: `${control.id}-hint` }, hint);
    control.setAttribute("aria-describedby", said.id);
    made.append(said);
  }
  return made;
}

// A whole number to be typed.
export function number(value, least = 0, most = MOST_SAMPLES) {
  return element("input", {
    type: "text",
    inputMode: "numeric",
    autocomplete: "off",
    value: String(value),
    "data-least": least,
    "data-most": most,
  });
}

// A slider that shows its value. words: from the value to what is shown.
function slider(value, least, most, step, words = (each) => String(each)) {
  const range = element("input", { type: "range", min: least, max: most, step, value });
  const shown = element("output", {}, words(Number(range.value)));
  range.oninput = () => {
    shown.textContent = words(Number(range.value));
    range.setAttribute("aria-valuetext", shown.textContent);
  };
  range.oninput();
  return [range, shown];
}

function sliderField(words, [range, shown], hint = "") {
  const made = field(words, range, hint);
  shown.htmlFor = range.id;
  made.querySelector("label").append(" ", shown);
  return made;
}

// A model's controls. element: to be put into a form; ask(): what they say.
export class Controls {
  // view: what shows the modality's samples. again: called where a new sample is wanted at once.
  constructor(contract, view, again) {
    this.contract = contract;
    this.again = again;
    const text = contract.modality === "text";
    this.seed = number(0);
    this.count = number(view.usual, 1, view.most);
    this.start = number(0);
    const main = [this.seedField(), field(`How many ${view.many}`, this.count, `1 to ${view.most}`)];
    const more = [field("From sample number", this.start, "as --start of multigan generate")];
    if (inputOf(contract, "label")) main.push(this.labelField());
    if (numberOf(contract)) main.push(this.numberField());
    if (inputOf(contract, "latent")) main.push(this.truncationField());
    if (text) this.textFields(main, more);
    this.element = element("div", { className: "fields" }, ...main,
      element("details", {}, element("summary", {}, "More"), element("div", { className: "fields" }, ...more)));
  }

  seedField() {
    const made = field("Seed", this.seed, "The same seed gives the same samples everywhere.");
    const step = (by) => {
      const next = BigInt.asUintN(64, seedOf(this.seed.value) + by);
      this.seed.value = String(next);
      this.again();
    };
    const button = (sign, words, action) => {
      const each = element("button", { type: "button", className: "small", "aria-label": words, title: words }, sign);
      each.onclick = () => {
        try {
          action();
        } catch { // the seed is no number: asking for samples says so
          this.again();
        }
      };
      return each;
    };
    const another = () => {
      this.seed.value = String(crypto.getRandomValues(new Uint32Array(1))[0]);
      this.again();
    };
    const row = element("div", { className: "row" });
    this.seed.replaceWith(row);
    row.append(button("\u2212", "Previous seed", () => step(-1n)), this.seed, button("+", "Next seed", () => step(1n)),
      button("Random", "Random seed", another));
    return made;
  }

  labelField() {
    const turn = element("option", { value: "" }, "all in turn");
    this.label = element("select", {}, turn, ...this.contract.labels.map((name, value) => (
      element("option", { value: String(value), dir: "auto" }, printable(name, 60)))));
    this.label.onchange = this.again;
    return field("Label", this.label);
  }

  numberField() {
    const bounds = numberOf(this.contract), { minimum: low, maximum: high } = bounds;
    const column = this.contract.extra.number_column;
    this.inTurn = element("input", { type: "checkbox", checked: true });
    const words = (each) => (this.inTurn.checked ? "in turn" : String(+each.toFixed(3)));
    const [range, shown] = slider(bounds.default ?? (low + high) / 2, low, high, "any", words);
    this.number = range;
    range.addEventListener("pointerdown", () => { this.inTurn.checked = false; });
    range.onkeydown = ({ key }) => { this.inTurn.checked &&= key === "Tab" || key === "Shift"; };
    range.onchange = this.again;
    this.inTurn.onchange = () => {
      range.oninput();
      this.again();
    };
    const turn = field("a number for each sample, in turn", this.inTurn);
    turn.classList.add("tick");
    const name = typeof column === "string" ? `Number (${printable(column, 40)})` : "Number";
    const made = sliderField(name, [range, shown], `${low} to ${high}`);
    made.append(turn);
    return made;
  }

  truncationField() {
    const widest = WIDEST[inputOf(this.contract, "latent").distribution ?? "normal"];
    this.widest = widest;
    const words = (each) => (each >= widest ? "none" : String(each));
    const [range, shown] = slider(widest, 0.05, widest, 0.05, words);
    this.truncation = range;
    range.onchange = this.again;
    return sliderField("Truncation", [range, shown], "Smaller: more typical, less varied.");
  }

  textFields(main, more) {
    const length = lengthOf(this.contract) ?? 1;
    this.prompt = element("input", { type: "text", autocomplete: "off", spellcheck: false });
    this.gap = element("input", { type: "text", autocomplete: "off", maxLength: 2 });
    const [heat, shownHeat] = slider(1, 0, 2, 0.05);
    const [mass, shownMass] = slider(1, 0.05, 1, 0.05);
    [this.temperature, this.topP] = [heat, mass];
    for (const each of [heat, mass]) each.onchange = this.again;
    const symbols = this.contract.output.maximum + 1;
    this.topK = number(0, 0, symbols);
    this.length = number(length, 1, longestOf(this.contract));
    main.push(field("Prompt", this.prompt, "how the texts begin"),
      sliderField("Temperature", [heat, shownHeat], "0: always the likeliest; 1: the model\u2019s own chances"));
    more.push(field("Top-k", this.topK, `0: all ${symbols} symbols`), sliderField("Top-p", [mass, shownMass]),
      field("Length", this.length, `1 to ${longestOf(this.contract)} symbols`),
      field("Mark of a gap in the prompt", this.gap, "one character that stands for a free symbol"));
  }

  // The class, the number and the truncation, each null where it is the model's own.
  conditions() {
    const width = Number(this.truncation?.value ?? this.widest);
    return {
      label: this.label?.value ? Number(this.label.value) : null,
      number: this.number && !this.inTurn.checked ? Number(this.number.value) : null,
      truncation: width < this.widest ? width : null,
    };
  }

  // What is asked for: {seed, start, total, label, number, truncation, sampling}. Throws UserError where it cannot be.
  ask() {
    const whole = (words, input) => wholeNumber(words, input.value, Number(input.dataset.least),
      Number(input.dataset.most));
    const asked = {
      seed: seedOf(this.seed.value),
      total: whole("The count", this.count),
      start: whole("The first sample", this.start),
      ...this.conditions(),
    };
    if (asked.start + asked.total > MOST_SAMPLES) {
      throw new UserError("The first sample is out of range: choose a smaller one.");
    }
    if (!this.prompt) return asked;
    return {
      ...asked,
      sampling: {
        prompt: this.prompt.value, gap: this.gap.value, temperature: Number(this.temperature.value),
        topK: whole("Top-k", this.topK), topP: Number(this.topP.value), length: whole("The length", this.length),
      },
    };
  }
}
