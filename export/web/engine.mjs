// The page's end of the worker that runs the model.

import { UserError } from "./mistakes.mjs";

export class Engine {
  constructor() {
    this.waiting = new Map();
    this.next = 1;
    this.worker = null;
  }

  start() {
    this.worker = new Worker(new URL("worker.mjs", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data: { id, value, error, mendable } }) => {
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(mendable ? new UserError(error) : new Error(error));
    };
    // The worker itself failed: a file of the page is missing, or the memory is full.
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.stop(new UserError(
        "onnxruntime-web could not start: reload the page, or write it again with multigan export --web."));
    };
  }

  // Ends whatever runs; the next call starts anew, with no model open.
  stop(reason = new UserError("Stopped.")) {
    this.worker?.terminate();
    this.worker = null;
    for (const { reject } of this.waiting.values()) reject(reason);
    this.waiting.clear();
  }

  call(call, given, transfer = []) {
    if (!this.worker) this.start();
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, call, ...given }, transfer);
    });
  }

  // Opens a model; the buffer is handed over. Gives its contract.
  open(buffer) {
    return this.call("open", { buffer }, [buffer]);
  }

  // Samples of a seed: {data, dims, labels, numbers, note}, of texts with {texts, chances}.
  sample(asked) {
    return this.call("sample", { asked });
  }

  // Samples of the way between two seeds: {data, dims}.
  way(asked) {
    return this.call("way", { asked });
  }
}
