// Plays sounds at once: decoded by the Web Audio API, started by a click, a touch or the keys of the pads.
(() => {
  const MOST = 96;  // sounds that are kept decoded
  const buffers = new Map();
  const playing = new Map();
  let context = null;

  function audio() {
    context ??= new AudioContext();
    if (context.state === "suspended") context.resume();
    return context;
  }

  function decoded(address) {
    if (!buffers.has(address)) {
      const loading = fetch(address)
        .then((answer) => {
          if (!answer.ok) throw new Error("this sound is no longer kept: generate it again.");
          return answer.arrayBuffer();
        })
        .then((bytes) => audio().decodeAudioData(bytes));
      loading.catch(() => buffers.delete(address));
      buffers.set(address, loading);
      if (buffers.size > MOST) buffers.delete(buffers.keys().next().value);
    }
    return buffers.get(address);
  }

  function stop(button) {
    playing.get(button)?.stop();
    playing.delete(button);
    delete button.dataset.playing;
  }

  async function play(button) {
    const again = button.dataset.playing !== undefined;
    stop(button);
    if (again && !button.classList.contains("mg-pad")) return;
    try {
      const source = audio().createBufferSource();
      source.buffer = await decoded(button.dataset.sound);
      source.connect(context.destination);
      source.onended = () => { if (playing.get(button) === source) stop(button); };
      stop(button);
      playing.set(button, source);
      button.style.setProperty("--seconds", `${source.buffer.duration}s`);
      void button.offsetWidth;  // so that the animation begins anew
      button.dataset.playing = "";
      source.start();
    } catch (error) {
      button.title = error.message;
      button.dataset.failed = "";
    }
  }

  const shown = (element) => element.offsetParent !== null;

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-sound]");
    if (button) play(button);
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest?.("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]")) return;
    const key = CSS.escape(event.key.toLowerCase());
    const pad = [...document.querySelectorAll(`.mg-pad[data-key="${key}"]`)].find(shown);
    if (!pad) return;
    event.preventDefault();
    play(pad);
  });

  // A walk's sound plays when it is new, once the visitor has touched the page: a browser plays nothing before.
  let last = "";
  new MutationObserver(() => {
    const live = [...document.querySelectorAll("button[data-live]")].find(shown);
    if (!live || live.dataset.sound === last) return;
    const first = last === "";
    last = live.dataset.sound;
    if (!first && navigator.userActivation?.hasBeenActive) play(live);
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
