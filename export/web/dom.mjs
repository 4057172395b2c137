// Small pieces that the views share. Whatever a model's file says becomes text and never markup.

// An element with properties (`data-` and `aria-` ones as attributes) and children, elements or texts.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Hands a person a file.
export function download(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

// A sample with its caption and a button that saves it. caption: {words, label, seed, number}.
export function figure(shown, { words, label, seed, number }, format, save) {
  const said = element("span", { className: "caption" }, `seed ${seed} #${number}`);
  if (label !== null) said.prepend(element("bdi", {}, label));
  return element("li", {}, element("figure", {}, shown,
    element("figcaption", {}, said, saveButton(format, words, save))));
}

function saveButton(format, words, save) {
  const made = element("button", { type: "button", className: "small" }, format);
  made.setAttribute("aria-label", `Download ${words} as ${format}`);
  made.onclick = save;
  return made;
}

// A text as part of a file's name.
export function plain(text) {
  return [...text].map((letter) => (/[\p{L}\p{N}._-]/u.test(letter) ? letter : "_")).slice(0, 40).join("") || "_";
}

// Whether a person asked their system for less movement.
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// The colours of the style sheet, for canvases.
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
