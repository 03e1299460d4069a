// Colours photos, in a thread of its own. The page sends {load}, then {id, file, strength, hints}, and answers are
// 'part', 'preview', 'done', 'failed', or 'stopped' after {stop: id}. {palette: id, x, y, width, height} asks for
// colours that are plausible at a place. {forget: id} frees what is kept of a photo.
import { graphs, runtimes, size, stepPixels } from './build.js'

const here = new URL('./', import.meta.url)
const previewSide = 800
const predicted = new Map() // of photos that were coloured before, by id: {small, context}, see nbs/A10_browser.ipynb
const between = [] // what is to be done between two strips
let ort, shrink, colors, render
let models = {} // the bytes of graphs that are opened when somebody gives the first hint
let glimpse = null // the last photo with hints, small: {id, canvas}
let running = null // the id of the photo that is being coloured
let stop = null // the id of a photo whose colouring is no longer wanted

// The bytes of a file, from the cache that sw.js uses too, else fetched and kept there
async function bytesOf(name, onBytes) {
  const url = new URL(name, here)
  const cache = self.caches && await caches.open(`colour ${here} large`)
  const kept = cache && await cache.match(url)
  const response = kept ?? await fetch(url)
  if (!response.ok) throw new Error(`${name}: ${response.status}`)
  const parts = []
  const reader = response.body.getReader()
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    parts.push(next.value)
    onBytes(next.value.length)
  }
  const blob = new Blob(parts)
  if (cache && !kept) {
    const headers = { 'Content-Type': response.headers.get('Content-Type') ?? 'application/octet-stream' }
    await cache.put(url, new Response(blob, { headers })).catch(() => {}) // a full disk: it will be fetched again
  }
  return new Uint8Array(await blob.arrayBuffer())
}

// WebGPU needs a real graphics processor and a browser that can wait for it inside WebAssembly
async function pickDevice(wanted) {
  if (wanted in runtimes) return wanted
  if (!navigator.gpu || !WebAssembly.Suspending) return 'wasm'
  const adapter = await navigator.gpu.requestAdapter().catch(() => null)
  return adapter && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter) ? 'webgpu' : 'wasm'
}

async function load(wanted) {
  const device = await pickDevice(wanted)
  try {
    await open(device)
  } catch (error) {
    if (device === 'wasm') throw error
    return load('wasm')
  }
  postMessage({ type: 'ready', device })
}

async function open(device) {
  const { script, binary } = runtimes[device]
  const files = [binary, ...Object.values(graphs)]
  const all = files.reduce((sum, file) => sum + file.bytes, 0)
  let got = 0
  const onBytes = count => postMessage({ type: 'loading', got: got += count, all })
  const [wasm, ...contents] = await Promise.all(files.map(file => bytesOf(file.name, onBytes)))
  models = Object.fromEntries(Object.keys(graphs).map((name, i) => [name, contents[i]]))
  ort = await import(new URL(script.name, here))
  ort.env.logLevel = 'error'
  ort.env.wasm.numThreads = 1
  ort.env.wasm.wasmBinary = wasm
  shrink = await session('shrink')
  colors = device === 'webgpu' ? await session('colors', 'webgpu', 'wasm') : await session('colors')
  render = await session('render')
}

function session(name, ...providers) {
  const model = models[name]
  delete models[name] // the session has a copy of its own
  return ort.InferenceSession.create(model, { executionProviders: providers.length ? providers : ['wasm'] })
}

const later = {} // the graphs for hints, once they were needed
const graph = async name => later[name] ??= await session(name)

const bytes = (data, ...shape) => new ort.Tensor('uint8', data, shape)
const whole = (...numbers) => new ort.Tensor('int64', BigInt64Array.from(numbers, BigInt), [numbers.length])
const scalar = number => new ort.Tensor('int64', [BigInt(number)], [])
const share = number => new ort.Tensor('float32', [number], [])

// As Python rounds: a half goes to the even neighbour
function round(x) {
  const up = Math.round(x)
  return up - x === 0.5 && up % 2 ? up - 1 : up
}

class Failure extends Error {} // its message is a key of texts.js
class Stopped extends Error {}

// Let messages come in, and answer those that can't wait for the whole photo
const channel = new MessageChannel()
async function pause() {
  await new Promise(resolve => {
    channel.port1.onmessage = resolve
    channel.port2.postMessage(null)
  })
  while (between.length) await between.shift()()
  if (stop === running) throw new Stopped()
}

async function draw(file) {
  let bitmap, canvas, context
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' })
  } catch {
    throw new Failure('damaged')
  }
  try {
    canvas = new OffscreenCanvas(bitmap.width, bitmap.height)
    context = canvas.getContext('2d', { willReadFrequently: true })
    context.drawImage(bitmap, 0, 0)
    const [, , , opacity] = context.getImageData(0, 0, 1, 1).data
    if (file.type === 'image/jpeg' && !opacity) throw new Error('the canvas stayed empty') // Safari's, if too large
  } catch {
    throw new Failure('memory')
  } finally {
    bitmap.close()
  }
  return { canvas, context }
}

function* strips({ width, height }) {
  const rows = Math.max(1, Math.floor(stepPixels / width))
  for (let top = 0; top < height; top += rows) yield [top, Math.min(rows, height - top)]
}

// Make the photo narrow, strip by strip, then short as a whole, then ask the network
async function predict({ canvas, context }, onPart) {
  const { width, height } = canvas
  const scale = size / Math.min(width, height)
  const [w, h] = [width, height].map(side => Math.min(round(side * scale), 4 * size))
  const narrow = new Uint8Array(height * w * 4)
  for (const [top, rows] of strips(canvas)) {
    const { data } = context.getImageData(0, top, width, rows)
    const { result } = await shrink.run({ rgba: bytes(data, rows, width, 4), size: whole(rows, w) })
    narrow.set(result.data, top * w * 4)
    result.dispose()
    onPart((top + rows) / height)
  }
  const { result: input } = await shrink.run({ rgba: bytes(narrow, height, w, 4), size: whole(h, w) })
  const { result: small, context: features } = await colors.run({ rgba: input })
  return { small, context: features }
}

// The place of a photo's pixel on the network input, as `hint_map` finds it
function placeOn({ dims: [, , h, w] }, { x, y, width, height }) {
  return [Math.floor(y * h / height), Math.floor(x * w / width)]
}

// The small planes with hints
async function follow({ small, context }, { hints, width, height, strength }) {
  const points = whole(...hints.flatMap(({ x, y }) => placeOn(small, { x, y, width, height })))
  const asked = hints.flatMap(({ color }) => [1, 3, 5].map(i => parseInt(color.slice(i, i + 2), 16)))
  const places = { points: points.reshape([hints.length, 2]), colors: bytes(Uint8Array.from(asked), hints.length, 3) }
  const { result } = await (await graph('hints')).run({ context, small, ...places, strength: share(strength) })
  return result
}

async function palette({ id, ...place }) {
  const found = []
  if (predicted.has(id)) {
    const { small, context } = predicted.get(id)
    const { result } = await (await graph('palette')).run({ context, small, point: whole(...placeOn(small, place)) })
    for (let i = 0; i < result.data.length; i += 3) {
      found.push(`#${[...result.data.slice(i, i + 3)].map(byte => byte.toString(16).padStart(2, '0')).join('')}`)
    }
  }
  postMessage({ type: 'palette', id, x: place.x, y: place.y, found })
}

async function renderAll({ canvas, context }, small, strength, onPart) {
  const { width, height } = canvas
  for (const [top, rows] of strips(canvas)) {
    const pixels = context.getImageData(0, top, width, rows)
    const rgba = bytes(pixels.data, rows, width, 4)
    const place = { top: scalar(top), height: scalar(height) }
    const { result } = await render.run({ rgba, small, ...place, strength: share(strength) })
    pixels.data.set(result.data)
    result.dispose()
    context.putImageData(pixels, 0, top)
    onPart((top + rows) / height)
    await pause()
  }
}

function smaller(canvas, scale, most) {
  const [w, h] = [canvas.width, canvas.height].map(side => Math.max(1, Math.round(Math.min(side * scale, most))))
  const little = new OffscreenCanvas(w, h)
  const context = little.getContext('2d', { willReadFrequently: true })
  context.imageSmoothingQuality = 'high'
  context.drawImage(canvas, 0, 0, w, h)
  return little
}

const thumbnail = canvas =>
  smaller(canvas, 240 / Math.min(canvas.width, canvas.height), 960).convertToBlob({ type: 'image/png' })

// What hints do is shown on a small photo before the whole is coloured
async function preview(id, small) {
  const canvas = smaller(glimpse.canvas, 1, previewSide)
  await renderAll({ canvas, context: canvas.getContext('2d') }, small, 1, () => {})
  postMessage({ type: 'preview', id, blob: await canvas.convertToBlob({ type: 'image/png' }) })
}

async function colour({ id, file, strength, hints, width: w, height: h }) {
  const began = performance.now()
  const tell = part => postMessage({ type: 'part', id, part })
  const hinted = async () => follow(predicted.get(id), { hints, width: w, height: h, strength })
  let small = null
  if (hints.length && glimpse?.id === id) await preview(id, small = await hinted())
  const photo = await draw(file)
  tell(0.1)
  if (!predicted.has(id)) predicted.set(id, await predict(photo, part => tell(0.1 + 0.1 * part)))
  tell(0.3)
  if (hints.length && !small) {
    small = await hinted()
    glimpse = { id, canvas: smaller(photo.canvas, previewSide / Math.max(w, h, previewSide), previewSide) }
    await preview(id, small)
  }
  const planes = small ?? predicted.get(id).small
  await renderAll(photo, planes, small ? 1 : strength, part => tell(0.3 + 0.6 * part))
  const jpeg = file.type === 'image/jpeg'
  const options = jpeg ? { type: 'image/jpeg', quality: 0.95 } : { type: 'image/png' }
  const blob = await photo.canvas.convertToBlob(options).catch(() => { throw new Failure('memory') })
  const { width, height } = photo.canvas
  const seconds = (performance.now() - began) / 1000
  postMessage({ type: 'done', id, blob, thumb: await thumbnail(photo.canvas), width, height, seconds })
}

onmessage = async ({ data }) => {
  if (data.stop) return void (stop = data.stop)
  if (data.forget) return forget(data.forget)
  if (data.palette) {
    const answer = () => palette({ ...data, id: data.palette })
    return running ? between.push(answer) : answer()
  }
  running = data.id
  stop = null
  try {
    await (data.load ? load(data.device) : colour(data))
  } catch (error) {
    if (error instanceof Stopped) return postMessage({ type: 'stopped', id: data.id })
    const why = error instanceof Failure ? error.message : data.load ? 'loading-failed' : 'memory'
    postMessage({ type: 'failed', id: data.id, why, detail: String(error) })
  } finally {
    running = null
    while (between.length) await between.shift()()
  }
}

function forget(id) {
  predicted.delete(id)
  if (glimpse?.id === id) glimpse = null
}
