// Keeps the page working offline: its own files from the first visit on, a model from its first use on.
// The page registers this file with a digest of all that multigan export --web wrote: a new page has a new cache.

const CACHE = `multigan-${location.pathname}-${location.search}`;
const LIST = "models.json";

async function install() {
  const cache = await caches.open(CACHE);
  const answer = await fetch(LIST, { cache: "no-cache" });
  await cache.put(LIST, answer.clone());
  const { page } = await answer.json();
  await cache.addAll([".", ...page].map((name) => new Request(name, { cache: "no-cache" })));
  await skipWaiting();
}

async function activate() {
  const mine = `multigan-${location.pathname}-`;
  const old = (await caches.keys()).filter((name) => name.startsWith(mine) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await clients.claim();
}

// The list from the site where it answers; all else from the cache where it is there.
async function answerTo(request) {
  const cache = await caches.open(CACHE);
  const fromSite = async () => {
    const answer = await fetch(request);
    if (answer.status === 200) await cache.put(request, answer.clone()).catch(() => {}); // no room: works online
    return answer;
  };
  const kept = () => cache.match(request, { ignoreSearch: request.mode === "navigate" });
  if (new URL(request.url).pathname.endsWith(`/${LIST}`)) {
    return fromSite().catch(async (error) => {
      const found = await kept();
      if (found) return found;
      throw error;
    });
  }
  return (await kept()) ?? fromSite();
}

addEventListener("install", (event) => event.waitUntil(install()));
addEventListener("activate", (event) => event.waitUntil(activate()));
addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && new URL(url).origin === location.origin) event.respondWith(answerTo(event.request));
});
