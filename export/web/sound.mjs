// Sounds: from samples in [-1, 1] to WAV files, waveforms and players.

import { calm, colour, download, element, figure } from "./dom.mjs";

const [WIDTH, HEIGHT] = [320, 80]; // of a waveform, in CSS pixels
const HEADER = 44;

// A WAV file of 16 bits. frames: the channels' values [channels, length], one channel after another.
export function wav(frames, channels, rate) {
  const length = frames.length / channels;
  const view = new DataView(new ArrayBuffer(HEADER + frames.length * 2));
  const text = (at, letters) => [0, 1, 2, 3].forEach((place) => view.setUint8(at + place, letters.charCodeAt(place)));
  text(0, "RIFF");
  view.setUint32(4, view.byteLength - 8, true);
  text(8, "WAVE");
  text(12, "fmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, channels, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * channels * 2, true);
  view.setUint16(32, channels * 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, frames.length * 2, true);
  for (let at = 0; at < length; at++) {
    for (let channel = 0; channel < channels; channel++) {
      const value = Math.min(Math.max(frames[channel * length + at], -1), 1);
      view.setInt16(HEADER + (at * channels + channel) * 2, Math.round(value * 32767), true);
    }
  }
  return new Blob([view], { type: "audio/wav" });
}

// Draws the waveform of the first channel, the part up to `share` as played.
function draw(canvas, values, share) {
  const scale = Math.min(devicePixelRatio || 1, 2);
  [canvas.width, canvas.height] = [WIDTH * scale, HEIGHT * scale];
  const context = canvas.getContext("2d"), middle = canvas.height / 2;
  const done = Math.floor(canvas.width * share), [played, coming] = [colour("accent"), colour("wave")];
  for (let column = 0; column < canvas.width; column++) {
    const first = Math.floor(column * values.length / canvas.width);
    const end = Math.max(first + 1, Math.floor((column + 1) * values.length / canvas.width));
    let low = 1, high = -1;
    for (let at = first; at < end; at++) {
      low = Math.min(low, values[at]);
      high = Math.max(high, values[at]);
    }
    const top = middle - high * middle, bottom = middle - low * middle;
    context.fillStyle = column < done ? played : coming;
    context.fillRect(column, Math.min(top, middle - 0.5 * scale), 1, Math.max(bottom - top, scale));
  }
}

let current = null; // the player that is heard

// Ends what is heard.
export function silence() {
  current?.stop();
}

// One sound as a button that shows its waveform and plays it.
export class Player {
  constructor(frames, channels, rate, words) {
    this.values = frames.subarray(0, frames.length / channels);
    this.seconds = this.values.length / rate;
    this.file = wav(frames, channels, rate);
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.mark = element("span", { className: "mark", "aria-hidden": "true" }, "\u25b6");
    this.button = element("button", { type: "button", className: "wave", "aria-label": `Play ${words}` },
      this.mark, this.canvas);
    this.button.player = this;
    this.button.onclick = () => (this.audio ? this.stop() : this.play());
    this.show(0);
  }

  show(share) {
    draw(this.canvas, this.values, share);
  }

  async play() {
    silence();
    current = this;
    const address = URL.createObjectURL(this.file), audio = new Audio(address);
    this.audio = audio;
    this.mark.textContent = "\u25a0";
    this.button.dataset.playing = "true";
    audio.onended = () => this.stop();
    const follow = () => {
      if (this.audio !== audio) return;
      if (!calm()) this.show(audio.currentTime / this.seconds);
      requestAnimationFrame(follow);
    };
    try {
      await audio.play();
      follow();
    } catch { // no sound device, or stopped before it began: the waveform stays
      if (this.audio === audio) this.stop();
    } finally {
      URL.revokeObjectURL(address);
    }
  }

  stop() {
    this.audio?.pause();
    this.audio = null;
    if (current === this) current = null;
    this.mark.textContent = "\u25b6";
    delete this.button.dataset.playing;
    this.show(0);
  }
}

// The player of one of the sounds of `data` with `dims` [batch, channels, length].
export function playerOf(data, [, channels, length], index, rate, words) {
  return new Player(data.slice(index * channels * length, (index + 1) * channels * length), channels, rate, words);
}

export const sound = {
  many: "sounds",
  most: 64,
  usual: 6,
  batch: 1,

  add(list, { data, dims }, captions, contract) {
    captions.forEach((caption, index) => {
      const player = playerOf(data, dims, index, contract.extra.sample_rate, caption.words);
      list.append(figure(player.button, caption, "WAV", () => download(player.file, `${caption.stem}.wav`)));
    });
  },

  together: () => [],
};

// A system that turns dark, or light, gives the waveforms other colours.
export function recolour() {
  document.querySelectorAll("button.wave").forEach(({ player }) => player.show(0));
}
