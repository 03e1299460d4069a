// Colours photos, in a thread of its own. The page sends {load}, then {id, file, strength}, or {forget: id}.
import { graphs, runtimes, size, stepPixels } from './build.js'

const here = new URL('./', import.meta.url)
const predicted = new Map() // the small planes of photos that were coloured before, by id
let ort, shrink, colors, render

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
  const files = [binary, graphs.shrink, graphs.colors, graphs.render]
  const all = files.reduce((sum, file) => sum + file.bytes, 0)
  let got = 0
  const onBytes = count => postMessage({ type: 'loading', got: got += count, all })
  const [wasm, ...models] = await Promise.all(files.map(file => bytesOf(file.name, onBytes)))
  ort = await import(new URL(script.name, here))
  ort.env.logLevel = 'error'
  ort.env.wasm.numThreads = 1
  ort.env.wasm.wasmBinary = wasm
  const session = (model, ...providers) => ort.InferenceSession.create(model, { executionProviders: providers })
  shrink = await session(models[0], 'wasm')
  colors = device === 'webgpu' ? await session(models[1], 'webgpu', 'wasm') : await session(models[1], 'wasm')
  render = await session(models[2], 'wasm')
}

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
  const { result: small } = await colors.run({ rgba: input })
  return small
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
  }
}

async function thumbnail(canvas) {
  const scale = 240 / Math.min(canvas.width, canvas.height)
  const [w, h] = [canvas.width, canvas.height].map(side => Math.max(1, Math.round(Math.min(side * scale, 960))))
  const little = new OffscreenCanvas(w, h)
  const context = little.getContext('2d')
  context.imageSmoothingQuality = 'high'
  context.drawImage(canvas, 0, 0, w, h)
  return little.convertToBlob({ type: 'image/png' })
}

async function colour({ id, file, strength }) {
  const began = performance.now()
  const tell = part => postMessage({ type: 'part', id, part })
  const photo = await draw(file)
  tell(0.1)
  if (!predicted.has(id)) predicted.set(id, await predict(photo, part => tell(0.1 + 0.1 * part)))
  tell(0.3)
  await renderAll(photo, predicted.get(id), strength, part => tell(0.3 + 0.6 * part))
  const jpeg = file.type === 'image/jpeg'
  const options = jpeg ? { type: 'image/jpeg', quality: 0.95 } : { type: 'image/png' }
  const blob = await photo.canvas.convertToBlob(options).catch(() => { throw new Failure('memory') })
  const { width, height } = photo.canvas
  const seconds = (performance.now() - began) / 1000
  postMessage({ type: 'done', id, blob, thumb: await thumbnail(photo.canvas), width, height, seconds })
}

onmessage = async ({ data }) => {
  if (data.forget) return predicted.delete(data.forget)
  try {
    await (data.load ? load(data.device) : colour(data))
  } catch (error) {
    const why = error instanceof Failure ? error.message : data.load ? 'loading-failed' : 'memory'
    postMessage({ type: 'failed', id: data.id, why, detail: String(error) })
  }
}
