// Keeps the page's files, so that it opens at once and also while its hub cannot be reached; what it then
// shows is what it says itself: reconnecting. No request of the wire passes here, and nothing of what it
// carries is kept.
const CACHE = 'quarterdeck-files-1';
/** A build has about twenty files; those of the builds before go with the oldest. */
const MAX_FILES = 60;

self.addEventListener('install', () => self.skipWaiting());

self.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  if (url.pathname.startsWith('/assets/')) event.respondWith(keptFirst(request));
  else if (request.mode === 'navigate' && url.pathname === '/') event.respondWith(newestFirst());
});

/** Names with a hash never change. */
async function keptFirst(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request);
  if (kept) return kept;
  const fresh = await fetch(request);
  if (fresh.ok) await keep(cache, request, fresh.clone());
  return fresh;
}

/** The page itself is asked for anew whenever its hub answers. */
async function newestFirst() {
  const cache = await caches.open(CACHE);
  try {
    const fresh = await fetch('/', { cache: 'no-cache' });
    if (fresh.ok) await keep(cache, '/', fresh.clone());
    return fresh;
  } catch {
    return (await cache.match('/')) ?? Response.error();
  }
}

async function keep(cache, request, response) {
  await cache.put(request, response);
  const names = await cache.keys();
  for (const name of names.slice(0, Math.max(0, names.length - MAX_FILES))) await cache.delete(name);
}
