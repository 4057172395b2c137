// Pictures: from samples in [-1, 1] to canvases and PNG files.

import { download, element, figure, plain } from "./dom.mjs";

const COLUMNS_GAP = 2; // pixels between the pictures of a sheet
const SMALLEST = 128; // CSS pixels of a picture's longer side, at least about that

// Values in [-1, 1] to 0..255, ties to even as numpy rounds them.
function byte(value) {
  const wanted = Math.fround(Math.fround(Math.min(Math.max(value, -1), 1) * 127.5) + 127.5);
  const floor = Math.floor(wanted), part = wanted - floor;
  return part === 0.5 ? floor + (floor % 2) : Math.round(wanted);
}

// One of the pictures of `data` with `dims` [batch, channels, height, width].
export function toPixels(data, dims, index) {
  const [, channels, height, width] = dims, size = height * width;
  const from = index * channels * size;
  const made = new ImageData(width, height);
  for (let at = 0; at < size; at++) {
    for (let channel = 0; channel < 3; channel++) {
      made.data[at * 4 + channel] = byte(data[from + (channels === 1 ? 0 : channel) * size + at]);
    }
    made.data[at * 4 + 3] = channels === 4 ? byte(data[from + 3 * size + at]) : 255;
  }
  return made;
}

// A canvas that shows pixels, small pictures in whole multiples.
export function canvasOf(pixels, words) {
  const made = element("canvas", { width: pixels.width, height: pixels.height, role: "img", "aria-label": words });
  const times = Math.max(1, Math.round(SMALLEST / Math.max(pixels.width, pixels.height)));
  made.style.width = `${pixels.width * times}px`;
  made.classList.toggle("pixels", times > 1);
  made.getContext("2d").putImageData(pixels, 0, 0);
  return made;
}

const saveCanvas = (canvas, name) => canvas.toBlob((blob) => download(blob, name), "image/png");

export const picture = {
  many: "pictures",
  most: 256,
  usual: 16,
  batch: 16,

  // Adds the pictures of a part of the samples to the list. captions: one for each.
  add(list, { data, dims }, captions) {
    captions.forEach((caption, index) => {
      const canvas = canvasOf(toPixels(data, dims, index), caption.words);
      list.append(figure(canvas, caption, "PNG", () => saveCanvas(canvas, `${caption.stem}.png`)));
    });
  },

  // What can be done with all of them: [words, action].
  together: (list, stem) => [["Download all in one PNG", () => saveCanvas(sheet(list.querySelectorAll("canvas")),
    `${plain(stem)}-grid.png`)]],
};

// All pictures on one canvas, row after row, on white.
function sheet(canvases) {
  const { width, height } = canvases[0];
  const columns = Math.max(1, Math.round(Math.sqrt(canvases.length * height / width)));
  const made = element("canvas", {
    width: columns * (width + COLUMNS_GAP) + COLUMNS_GAP,
    height: Math.ceil(canvases.length / columns) * (height + COLUMNS_GAP) + COLUMNS_GAP,
  });
  const context = made.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, made.width, made.height);
  canvases.forEach((canvas, at) => context.drawImage(canvas,
    COLUMNS_GAP + (at % columns) * (width + COLUMNS_GAP),
    COLUMNS_GAP + Math.floor(at / columns) * (height + COLUMNS_GAP)));
  return made;
}
