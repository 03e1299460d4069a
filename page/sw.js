// Answers from the cache, so that the page works offline. tools/browser_page.py fills in the next three lines.
const version = ''
const shell = [] // the small files, kept when the page is opened for the first time
const large = [] // the runtime and the graphs: worker.js keeps those that it uses

const prefix = `colour ${registration.scope} `
const kept = { shell: prefix + version, large: `${prefix}large` }

async function tidy() {
  for (const name of await caches.keys()) {
    if (name.startsWith(prefix) && !Object.values(kept).includes(name)) await caches.delete(name)
  }
  const cache = await caches.open(kept.large)
  const wanted = large.map(name => new URL(name, registration.scope).href)
  for (const request of await cache.keys()) if (!wanted.includes(request.url)) await cache.delete(request)
}

async function answer(request) {
  const inScope = request.mode === 'navigate' && request.url.startsWith(registration.scope)
  for (const name of Object.values(kept)) {
    const found = await (await caches.open(name)).match(inScope ? registration.scope : request, { ignoreSearch: true })
    if (found) return found
  }
  return fetch(request)
}

addEventListener('install', event => {
  const fresh = shell.map(name => new Request(name, { cache: 'reload' }))
  event.waitUntil(caches.open(kept.shell).then(cache => cache.addAll(fresh)))
})
addEventListener('activate', event => event.waitUntil(tidy().then(() => clients.claim())))
addEventListener('fetch', event => {
  const { method, url } = event.request
  if (method === 'GET' && url.startsWith(registration.scope)) event.respondWith(answer(event.request))
})
