// Where models come from: the list beside the page, an address of the same site, a file of the visitor's.

import { UserError, printable } from "./mistakes.mjs";
import { checkSize } from "./onnx_file.mjs";

const MOST_LISTED = 1000;

// What multigan export --web wrote beside the page: {models, digest}; no models where the list is missing or damaged.
export async function listed() {
  try {
    const answer = await fetch("models.json", { cache: "no-cache" });
    const { models, digest } = answer.ok ? await answer.json() : {};
    const sound = Array.isArray(models) ? models.slice(0, MOST_LISTED).filter((each) => (
      typeof each?.file === "string" && typeof each.bytes === "number")) : [];
    return { models: sound, digest: typeof digest === "string" ? digest : null };
  } catch {
    return { models: [], digest: null };
  }
}

// The bytes of a model on this site. told(share): is called as they come, with null where their number is unknown.
export async function fetchModel(address, told) {
  const url = URL.canParse(address, location.href) ? new URL(address, location.href) : null;
  if (url === null) throw new UserError(`${printable(address)} is no address: choose a model of the list.`);
  if (url.origin !== location.origin) {
    throw new UserError("A model is loaded from this page\u2019s own site alone: download the file and open it here.");
  }
  let answer;
  try {
    answer = await fetch(url);
  } catch {
    throw new UserError(`${printable(address)} cannot be reached: look at the connection, or open a file instead.`);
  }
  if (!answer.ok) throw new UserError(`${printable(address)} is not there (${answer.status}): choose another model.`);
  const size = Number(answer.headers.get("content-length")) || null;
  checkSize(size ?? 0);
  keep(url);
  return collected(answer.body.getReader(), answer.headers.has("content-encoding") ? null : size, told);
}

// On the first visit the service worker comes after the model: ask again, so that the worker keeps it.
function keep(url) {
  const service = navigator.serviceWorker;
  if (service && !service.controller) {
    service.addEventListener("controllerchange", () => fetch(url).catch(() => {}), { once: true });
  }
}

async function collected(reader, size, told) {
  const parts = [];
  let have = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    checkSize(have += value.length);
    told(size && have / size);
  }
  return new Blob(parts).arrayBuffer();
}

// The bytes of a file that the visitor chose.
export async function readFile(file) {
  checkSize(file.size);
  try {
    return await file.arrayBuffer();
  } catch {
    throw new UserError(`${printable(file.name)} cannot be read: choose it again.`);
  }
}
