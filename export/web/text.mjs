// Texts, typed out line by line.

import { calm, download, element } from "./dom.mjs";

const SECONDS = 0.6; // for one part of the texts

// A text on one line, as multigan generate writes it.
export const oneLine = (text) => text.replaceAll("\r", "\\r").replaceAll("\n", "\\n");

// Shows a text letter after letter.
async function type(place, text) {
  const letters = [...text];
  const begun = performance.now();
  while (place.isConnected && !calm()) {
    const share = (performance.now() - begun) / 1000 / SECONDS;
    if (share >= 1) break;
    place.textContent = letters.slice(0, Math.floor(share * letters.length)).join("");
    await new Promise(requestAnimationFrame);
  }
  place.textContent = text;
}

export const text = {
  many: "texts",
  most: 1000,
  usual: 12,
  batch: 16,

  add(list, { texts, chances }, captions) {
    captions.forEach(({ label, number }, index) => {
      const place = element("bdi", { className: "text" });
      place.dataset.text = texts[index];
      const said = [`#${number}`, ...(label === null ? [] : [label])].join(" \u00b7 ");
      list.append(element("li", {}, place, element("small", {
        title: "The log-probability of the text at temperature 1, in nats",
      }, element("bdi", {}, said), ` \u00b7 log p ${chances[index].toFixed(1).replace("-", "\u2212")}`)));
      type(place, texts[index]);
    });
  },

  together(list, stem, say) {
    const all = () => [...list.querySelectorAll(".text")].map((each) => `${oneLine(each.dataset.text)}\n`).join("");
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(all());
        say("Copied.");
      } catch {
        say("The browser does not let this page copy: select the texts, or download them.");
      }
    };
    const save = () => download(new Blob([all()], { type: "text/plain" }), `${stem}.txt`);
    return [["Copy all", copy], ["Download as .txt", save]];
  },
};
