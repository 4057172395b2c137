// The way between two seeds: pictures as an animation, sounds one at a time, under a slider.

import { calm, element } from "./dom.mjs";
import { field, number } from "./controls.mjs";
import { toPixels, canvasOf } from "./picture.mjs";
import { playerOf } from "./sound.mjs";
import { seedOf, wholeNumber } from "./mistakes.mjs";

export const MOST_STEPS = 120;
const FRAMES = 12; // a second

export class Morph {
  // view: how many samples go through the graph at once, and of how many steps a way may be. conditions: gives class,
  // number and truncation. work(task): runs a task and shows its mistakes. say: tells.
  constructor(contract, engine, { batch, steps }, { conditions, work, say }) {
    [this.contract, this.engine, this.conditions] = [contract, engine, conditions];
    [this.work, this.say] = [work, say];
    [this.batch, this.most] = [batch, steps];
    const pictures = contract.modality === "image";
    [this.from, this.to] = [number(7), number(8)];
    this.steps = number(Math.min(pictures ? 24 : 8, this.most));
    this.slider = element("input", { type: "range", min: 0, max: 1, value: 0, step: 1 });
    this.stage = element("div", { className: "stage" });
    this.toggle = element("button", { type: "button" }, "Play");
    this.way = element("div", { className: "way", hidden: true }, this.stage, field("Place on the way", this.slider));
    if (pictures) this.way.append(this.toggle);
    const make = element("button", { type: "submit" }, "Make the way");
    const form = element("form", {}, element("div", { className: "fields" }, field("From seed", this.from),
      field("To seed", this.to), field("Steps", this.steps, `1 to ${this.most}`)), make);
    form.onsubmit = (event) => {
      event.preventDefault();
      this.work((current) => this.make(current));
    };
    this.slider.oninput = () => {
      this.stop();
      this.show(Number(this.slider.value), true);
    };
    this.toggle.onclick = () => (this.timer ? this.stop() : this.play());
    this.element = element("details", { className: "card", id: "morph" },
      element("summary", {}, element("h2", {}, "Morph between two seeds")), form, this.way);
  }

  async make(current) {
    this.stop();
    const seeds = [seedOf(this.from.value), seedOf(this.to.value)];
    const steps = wholeNumber("The number of steps", this.steps.value, 1, this.most);
    this.say("Making the way \u2026");
    const frames = [];
    for (let first = 0; first <= steps; first += this.batch) {
      const count = Math.min(this.batch, steps + 1 - first);
      const { data, dims } = await this.engine.way({ seeds, steps, first, count, ...this.conditions() });
      if (!current()) return;
      for (let index = 0; index < count; index++) {
        const words = `step ${first + index} of ${steps} from seed ${seeds[0]} to seed ${seeds[1]}`;
        frames.push(this.frame(data, dims, index, words));
      }
    }
    this.say(`The way from seed ${seeds[0]} to seed ${seeds[1]} in ${steps} steps.`);
    this.frames = frames;
    this.slider.max = String(steps);
    this.slider.value = "0";
    this.way.hidden = false;
    this.show(0, false);
    if (this.contract.modality === "image" && !calm()) this.play();
  }

  // What shows one step.
  frame(data, dims, index, words) {
    if (this.contract.modality === "image") return canvasOf(toPixels(data, dims, index), words);
    return playerOf(data, dims, index, this.contract.extra.sample_rate, words);
  }

  show(step, aloud) {
    const frame = this.frames[step];
    this.slider.setAttribute("aria-valuetext", `step ${step} of ${this.frames.length - 1}`);
    this.stage.replaceChildren(frame.button ?? frame);
    if (frame.button && aloud) frame.play();
  }

  // There and back again.
  play() {
    const last = this.frames.length - 1;
    let turn = 0;
    this.toggle.textContent = "Pause";
    this.timer = setInterval(() => {
      if (!this.element.isConnected) return this.stop();
      turn = (turn + 1) % (2 * last);
      const step = turn <= last ? turn : 2 * last - turn;
      this.slider.value = String(step);
      return this.show(step, false);
    }, 1000 / FRAMES);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.toggle.textContent = "Play";
  }
}
