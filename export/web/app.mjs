// The page: a model, its controls, its samples.

import { element, plain } from "./dom.mjs";
import { Controls } from "./controls.mjs";
import { Engine } from "./engine.mjs";
import { MOST_STEPS, Morph } from "./morph.mjs";
import { UserError, printable } from "./mistakes.mjs";
import { inputOf } from "./contract.mjs";
import { factsOf, sizeOf } from "./facts.mjs";
import { fetchModel, listed, readFile } from "./models.mjs";
import { picture } from "./picture.mjs";
import { recolour, silence, sound } from "./sound.mjs";
import { text } from "./text.mjs";

const VIEWS = { image: picture, audio: sound, text };
const MOST_VALUES = 2 ** 26, BATCH_VALUES = 2 ** 22; // of all samples that are shown, and of those made at once
const UNASKED = 2e7; // bytes of a model that is loaded before anyone asks for it
const at = (id) => document.getElementById(id);
const engine = new Engine();
const page = { source: null, contract: null, view: null, controls: null, turn: 0, opened: false };

const say = (words) => { at("status").textContent = words; };

function show(error) {
  if (!(error instanceof UserError)) console.error(error);
  at("error").textContent = error instanceof UserError ? error.message :
    `Something went wrong that is no mistake of yours: ${error?.message ?? error}`;
  at("error").scrollIntoView({ block: "nearest" }); // on a phone it may be far from what was touched
}

// Runs a task with the button to stop it; a newer task makes the older one's end unimportant.
async function work(task) {
  const turn = ++page.turn;
  const current = () => turn === page.turn;
  at("error").textContent = "";
  at("stop").hidden = false;
  document.body.dataset.busy = "true";
  try {
    if (page.source && !page.opened) await reopen();
    await task(current);
  } catch (error) {
    if (current()) {
      say("");
      show(error);
    }
  } finally {
    if (current()) {
      at("stop").hidden = true;
      delete document.body.dataset.busy;
    }
  }
}

// --- a model --------------------------------------------------------------------------------------------------------

// After a stop the worker is a new one, without the model.
async function reopen() {
  await engine.open(await page.source(() => {}));
  page.opened = true;
}

function clear() {
  silence();
  for (const id of ["facts", "controls", "samples", "together", "way"]) at(id).replaceChildren();
  at("ask").hidden = at("made").hidden = true;
  page.contract = page.source = null;
  page.opened = false;
}

// Opens what source(told) gives the bytes of.
function open(name, source) {
  clear();
  engine.stop(new UserError("Another model was opened."));
  return work(async (current) => {
    say(`Loading ${printable(name)} \u2026`);
    const bar = at("loading");
    bar.hidden = false;
    try {
      const buffer = await source((share) => {
        if (share === null) bar.removeAttribute("value");
        else bar.value = share;
      });
      if (!current()) return;
      const size = buffer.byteLength;
      const contract = await engine.open(buffer);
      if (!current()) return;
      [page.source, page.opened, page.contract] = [source, true, contract];
      build(contract, name, size);
    } finally {
      if (current()) loaded();
    }
    say(`Making ${page.view.many} \u2026`);
    await generate(current);
  });
}

// The loading has ended; a model that was not opened is no longer the chosen one, so that it can be chosen again.
function loaded() {
  at("loading").hidden = true;
  if (!page.contract) at("models").value = "";
}

// How a model's samples are shown: of large ones fewer, and fewer at once.
function viewOf({ modality, output: { shape } }) {
  const view = VIEWS[modality];
  const values = shape.slice(1).reduce((all, axis) => all * (typeof axis === "number" ? axis : 1), 1);
  const held = (count, room) => Math.max(1, Math.min(count, Math.floor(room / values)));
  const most = held(view.most, MOST_VALUES);
  const steps = Math.max(1, held(MOST_STEPS + 1, MOST_VALUES) - 1);
  return { ...view, most, steps, usual: Math.min(view.usual, most), batch: held(view.batch, BATCH_VALUES) };
}

function build(contract, name, size) {
  const view = page.view = viewOf(contract);
  page.controls = new Controls(contract, view, () => work(generate));
  at("facts").replaceChildren(...factsOf(contract, name, size).flatMap(([term, said]) => [
    element("div", {}, element("dt", {}, term), element("dd", {}, element("bdi", {}, printable(said, 400))))]));
  at("controls").replaceChildren(page.controls.element);
  at("ask").hidden = at("made").hidden = false;
  if (inputOf(contract, "latent")) {
    const conditions = () => page.controls.conditions();
    at("way").replaceChildren(new Morph(contract, engine, view, { conditions, work, say }).element);
  }
}

// --- samples --------------------------------------------------------------------------------------------------------

function captionsOf(contract, asked, first, { labels, numbers }, count) {
  return Array.from({ length: count }, (_, index) => {
    const number = first + index, label = labels === null ? null : printable(contract.labels[labels[index]], 24);
    const told = numbers === null ? [] : [String(+numbers[index].toFixed(2))];
    const conditions = [...(label === null ? [] : [label]), ...told];
    return {
      seed: asked.seed,
      number,
      label: conditions.length ? conditions.join(" \u00b7 ") : null,
      words: [`sample ${number} of seed ${asked.seed}`, ...conditions].join(" \u00b7 "),
      stem: [`seed${asked.seed}-${String(number).padStart(4, "0")}`, ...conditions.map(plain)].join("-"),
    };
  });
}

async function generate(current) {
  const { contract, controls, view } = page;
  const asked = controls.ask(), list = at("samples");
  list.className = contract.modality;
  let milliseconds = 0, note = null;
  const fresh = document.createElement("ol");
  for (let done = 0; done < asked.total; done += view.batch) {
    const count = Math.min(view.batch, asked.total - done), start = asked.start + done;
    const begun = performance.now();
    const made = await engine.sample({ ...asked, start, count });
    milliseconds += performance.now() - begun;
    if (!current()) return;
    note = made.note;
    view.add(fresh, made, captionsOf(contract, asked, start, made, count), contract);
    if (done === 0) list.replaceChildren();
    list.append(...fresh.children);
    say(`${done + count} of ${asked.total} ${view.many} \u2026`);
  }
  const stem = `seed${asked.seed}`;
  at("together").replaceChildren(...view.together(list, stem, say).map(([words, action]) => {
    const button = element("button", { type: "button" }, words);
    button.onclick = action;
    return button;
  }));
  const many = asked.total === 1 ? view.many.slice(0, -1) : view.many;
  const seconds = (milliseconds / 1000).toFixed(2);
  say(`${asked.total} ${many} of seed ${asked.seed} in ${seconds} s.${note ? ` ${note}` : ""}`);
}

// --- the page -------------------------------------------------------------------------------------------------------

// Ends what runs, whatever it is; a model that was open is opened again when it is needed.
function stop() {
  page.turn++;
  page.opened = false;
  engine.stop();
  at("stop").hidden = true;
  loaded();
  delete document.body.dataset.busy;
  say(page.contract ? "Stopped." : "Stopped: choose a model.");
}

function openFile(file) {
  at("models").value = "";
  open(file.name, () => readFile(file));
}

function connect() {
  at("ask").onsubmit = (event) => {
    event.preventDefault();
    work(generate);
  };
  at("stop").onclick = stop;
  at("file").onchange = ({ target }) => {
    if (target.files.length) openFile(target.files[0]);
    target.value = ""; // the same file again is a change, too
  };
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) openFile(event.dataTransfer.files[0]);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
}

async function main() {
  at("unstarted").remove();
  at("main").hidden = false;
  connect();
  const { models, digest } = await listed();
  const select = at("models");
  select.append(...models.map(({ file, bytes }) => (
    element("option", { value: file }, `${printable(file.replace(/\.onnx$/, ""), 40)} (${sizeOf(bytes)})`))));
  select.onchange = () => select.value && open(select.value, (told) => fetchModel(encodeURI(select.value), told));
  at("listed").hidden = models.length === 0;
  if (digest && "serviceWorker" in navigator) {
    navigator.serviceWorker.register(`service-worker.js?${encodeURIComponent(digest)}`).catch(() => {});
  }
  const wanted = new URLSearchParams(location.search).get("model");
  if (wanted !== null) {
    if (models.some(({ file }) => file === wanted)) select.value = wanted;
    await open(wanted, (told) => fetchModel(wanted, told));
  } else if (models.length && models[0].bytes <= UNASKED) {
    select.value = models[0].file;
    await select.onchange();
  } else {
    say(models.length ? "Choose a model." : "Open an .onnx file that multigan export wrote.");
  }
}

// For scripts and tests: the same calls as the page's own, with the raw output.
globalThis.multigan = { sample: (asked) => engine.sample(asked), way: (asked) => engine.way(asked), page };

main().catch(show);
