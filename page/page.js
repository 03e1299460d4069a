import { examples, megapixels } from './build.js'
import { texts } from './texts.js'

const $ = id => document.getElementById(id)
const here = new URL('./', import.meta.url)
const options = new URLSearchParams(location.search)
const items = [] // photos in the order in which they came
const problems = [] // what was wrong with other files: {why, values}
let current = null // the item on the stage
let busy = null // the item that the worker colours
let hinting = false // whether a click on the photo is a hint
let device = null // 'wasm' or 'webgpu', once the worker is ready
let wantedDevice = options.get('device') // else the worker picks one
let download = null // {got, all} while the runtime is fetched
let worker = null
let count = 0 // photos that ever came

// Languages

const remembered = () => { try { return localStorage.getItem('language') } catch { return null } }
const preferred = [options.get('lang'), remembered(), ...navigator.languages.map(name => name.slice(0, 2))]
let language = preferred.find(name => name in texts) ?? 'en'

const number = (value, digits = 0) => value.toLocaleString(language, { maximumFractionDigits: digits })
function say(key, values = {}) {
  return texts[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name])
}

function speak(name) {
  language = name
  try { localStorage.setItem('language', name) } catch { /* private windows may refuse */ }
  document.documentElement.lang = { en: 'en', zh: 'zh-Hans', ru: 'ru' }[name]
  document.title = say('title')
  if (current?.palette) showPalette(current)
  for (const element of document.querySelectorAll('[data-text]')) element.textContent = say(element.dataset.text)
  for (const image of document.querySelectorAll('[data-alt]')) image.alt = say(image.dataset.alt)
  for (const button of document.querySelectorAll('[data-language]')) {
    button.setAttribute('aria-pressed', button.dataset.language === name)
  }
  $('languages').setAttribute('aria-label', say('language'))
  $('split').setAttribute('aria-label', say('split'))
  $('aim').setAttribute('aria-label', say('hint-aim'))
  show()
}

// What is seen

function showStage() {
  const item = current
  $('stage').hidden = !item
  if (!item) return
  const { result } = item
  const ready = item.state === 'done'
  const after = item.preview ?? result?.url
  $('name').textContent = item.file.name
  if ($('before').src !== item.url) $('before').src = item.url
  $('before').alt = `${say('before')}: ${item.file.name}`
  $('after').hidden = $('split').hidden = $('line').hidden = $('after-tag').hidden = !result
  if (after && $('after').src !== after) $('after').src = after
  $('after').alt = result ? `${say('after')}: ${item.file.name}` : ''
  $('compare').style.setProperty('--ratio', item.width / item.height)
  $('working').hidden = ready
  $('part').value = device ? item.part : loadedPart()
  const values = { name: item.file.name, percent: number(100 * item.part) }
  $('doing').textContent = item === busy ? say('working', values) : device ? say('queued', values) : sayLoading()
  const engine = { wasm: 'WebAssembly', webgpu: 'WebGPU' }[device]
  const facts = { width: item.width, height: item.height, seconds: number(result?.seconds ?? 0, 1), engine }
  $('facts').textContent = result ? say('facts', facts) : ''
  $('strength').value = item.strength
  $('percent').textContent = `${item.strength} %`
  const link = $('download')
  link.toggleAttribute('href', ready)
  if (ready) Object.assign(link, { href: result.url, download: result.name })
}

function dot({ x, y }, { width, height }) {
  const mark = document.createElement('i')
  mark.style.setProperty('left', `${100 * (x + 0.5) / width}%`)
  mark.style.setProperty('top', `${100 * (y + 0.5) / height}%`)
  return mark
}

function showHints() {
  const item = current
  $('hints').hidden = !item?.result
  $('stage').classList.toggle('hinting', hinting)
  $('hinting').setAttribute('aria-expanded', hinting)
  $('hint-tools').hidden = $('aim').hidden = !hinting
  if (!item || !hinting) return
  const marks = item.hints.map(hint => {
    const mark = dot(hint, item)
    mark.style.setProperty('background', hint.color)
    return mark
  })
  if (item.place) marks.push(Object.assign(dot(item.place, item), { className: 'place' }))
  $('aim').replaceChildren(...marks)
  $('hint-say').textContent = say(item.palette ? 'hint-which' : 'hint-where', { count: number(item.hints.length) })
  $('swatches').hidden = !item.palette
  for (const id of ['undo', 'no-hints', 'save-hints']) $(id).hidden = !item.hints.length
}

// The buttons for the colours of a place: made once for each palette, so that the colour dialog stays open
function showPalette(item) {
  const swatches = item.palette.map(color => {
    const swatch = Object.assign(document.createElement('button'), { type: 'button', onclick: () => hint(item, color) })
    swatch.style.setProperty('background', color)
    swatch.setAttribute('aria-label', say('hint-color', { color }))
    return swatch
  })
  const any = Object.assign(document.createElement('input'), { type: 'color', value: item.palette[0] ?? '#808080' })
  any.addEventListener('change', () => hint(item, any.value))
  const label = document.createElement('label')
  label.append(any, say('hint-any'))
  $('swatches').replaceChildren(...swatches, label)
}

function showList() {
  $('list').hidden = items.length === 0
  $('examples').hidden = items.length > 0
  $('all').hidden = items.filter(item => item.result).length < 2
  document.body.classList.toggle('some', items.length > 0)
  for (const item of items) {
    const { button, image, bar } = item
    if (!button.isConnected) $('photos').append(button.parentNode)
    button.setAttribute('aria-current', item === current)
    button.setAttribute('aria-label', say('show', { name: item.file.name }))
    const src = item.result?.thumb ?? item.url
    if (image.src !== src) image.src = src
    bar.hidden = item.state === 'done'
    bar.value = item.part
  }
}

const loadedPart = () => download ? download.got / download.all : 0
function sayLoading() {
  if (loadedPart() === 0 || loadedPart() === 1) return say('starting')
  return say('loading', { got: number(download.got / 1e6), all: number(download.all / 1e6) })
}

function showLoading() {
  $('loading').hidden = Boolean(device) || !download
  $('loaded').value = loadedPart()
  $('loading-text').textContent = sayLoading()
  $('engine').textContent = device ? say(`engine-${device}`) : ''
}

function showProblems() {
  $('problems').replaceChildren(...problems.map(({ why, values }) => {
    const line = document.createElement('li')
    line.textContent = say(why, values)
    return line
  }))
}

function show() {
  showStage()
  showHints()
  showList()
  showLoading()
  showProblems()
}

function complain(why, values = {}) {
  problems.push({ why, values })
  showProblems()
}

// What comes in

async function isHeic(file) {
  const head = new TextDecoder('latin1').decode(await file.slice(0, 64).arrayBuffer())
  return head.slice(4, 8) === 'ftyp' && /hei[cxms]|hev[cxms]|mif1|msf1/.test(head) && !head.includes('avif')
}

// Width and height from the file's header: the browser decodes no pixels for this
async function measure(url) {
  const image = new Image()
  await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject, src: url }))
  return { width: image.naturalWidth, height: image.naturalHeight }
}

async function add(file) {
  const { name } = file
  if (!file.size) return complain('empty', { name })
  const url = URL.createObjectURL(file)
  try {
    const { width, height } = await measure(url)
    if (!width) throw new Error('no size')
    if (width * height > megapixels * 1e6) {
      URL.revokeObjectURL(url)
      return complain('large', { name, megapixels: number(width * height / 1e6), limit: megapixels })
    }
    const item = { id: ++count, file, url, width, height, state: 'waiting', part: 0 }
    Object.assign(item, { strength: strength(), hints: [], place: null, palette: null })
    items.push(Object.assign(item, thumbnail(item)))
    current ??= item
  } catch {
    URL.revokeObjectURL(url)
    return complain(await isHeic(file) ? 'heic' : 'unreadable', { name })
  }
  show()
  next()
}

async function addAll(files) {
  problems.length = 0
  showProblems()
  if (!worker) start()
  for (const file of files) await add(file)
}

function thumbnail(item) {
  const [place, button, image, bar] = ['li', 'button', 'img', 'progress'].map(name => document.createElement(name))
  Object.assign(button, { type: 'button', onclick: () => open(item) })
  image.alt = ''
  bar.max = 1
  bar.ariaHidden = 'true' // the button says nothing of it, the stage does
  button.append(image, bar)
  place.append(button)
  return { button, image, bar }
}

function open(item) {
  current = item
  if (item.palette) showPalette(item)
  show()
}

const strength = () => Number($('strength').value)

// What the worker does

function start() {
  // Made from a blob, the worker inherits the page's Content-Security-Policy; from its own URL it would have none
  const code = `import ${JSON.stringify(new URL('worker.js', here))}`
  worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })), { type: 'module' })
  worker.onmessage = ({ data }) => answers[data.type](data)
  worker.onerror = () => answers.failed({ id: busy?.id, why: busy ? 'memory' : 'loading-failed' })
  worker.postMessage({ load: true, device: wantedDevice })
}

function next() {
  if (!device || busy) return
  const waiting = items.filter(item => item.state === 'waiting')
  busy = waiting.find(item => item === current) ?? waiting[0]
  if (!busy) return
  busy.changed = false
  const { id, file, hints, width, height } = busy
  worker.postMessage({ id, file, hints, width, height, strength: busy.strength / 100 })
  show()
}

// Colour a photo anew, with another strength or other hints
function again(item) {
  Object.assign(item, { state: 'waiting', part: 0 })
  if (item === busy) {
    item.changed = true
    worker.postMessage({ stop: item.id })
  }
  show()
  next()
}

function resultName({ name }, { type }) {
  return `${name.replace(/\.[^.]*$/, '')}-colour.${type === 'image/jpeg' ? 'jpg' : 'png'}`
}

function forget({ url, result, preview }) {
  for (const address of [url, result?.url, result?.thumb, preview]) if (address) URL.revokeObjectURL(address)
}

const answers = {
  loading({ got, all }) {
    download = { got, all }
    showStage()
    showLoading()
  },
  ready(message) {
    device = message.device
    show()
    next()
  },
  part({ part }) {
    if (!busy) return
    busy.part = part
    showStage()
    showList()
  },
  done({ blob, thumb, seconds }) {
    const item = busy
    busy = null
    const name = resultName(item.file, blob)
    const result = { url: URL.createObjectURL(blob), thumb: URL.createObjectURL(thumb), seconds, name }
    if (items.includes(item)) {
      forget({ result: item.result, preview: item.preview })
      Object.assign(item, { result, preview: undefined, part: 1, state: item.changed ? 'waiting' : 'done' })
    } else {
      forget({ result })
    }
    show()
    next()
  },
  stopped() {
    busy = null
    next()
  },
  preview({ id, blob }) {
    const item = items.find(other => other.id === id)
    if (!item || item.changed) return
    forget({ preview: item.preview })
    item.preview = URL.createObjectURL(blob)
    showStage()
  },
  palette({ id, x, y, found }) {
    const item = items.find(other => other.id === id)
    if (!item?.place || item.place.x !== x || item.place.y !== y) return // another place was chosen since
    item.palette = found
    if (item !== current) return
    showPalette(item)
    showHints()
    if (item.place.byKeys) $('swatches').firstChild.focus()
  },
  failed({ id, why, detail }) {
    if (detail) console.error(detail)
    const item = items.find(other => other.id === id)
    if (why === 'memory' && device === 'webgpu') return withoutWebGPU()
    complain(why, { name: item?.file.name ?? busy?.file.name })
    busy = null
    if (item) remove(item)
    if (why === 'memory' || why === 'loading-failed') { // what the worker holds is freed with it
      worker.terminate()
      worker = device = download = null
      if (why === 'memory') start()
    }
    show()
    next()
  },
}

// Some graphics drivers fail on the way: colour the same photo on the processor
function withoutWebGPU() {
  busy = device = download = null
  worker.terminate()
  wantedDevice = 'wasm'
  start()
  show()
}

// Hints

// Mark a place, given as shares of width and height, or none
function move(x, y) {
  const within = (share, side) => Math.min(side - 1, Math.max(0, Math.floor(share * side)))
  const { width, height } = current
  const place = x === undefined ? null : { x: within(x, width), y: within(y, height) }
  Object.assign(current, { place, palette: null })
  showHints()
}

// Mark a place, and ask which colours are plausible there
function ask(x, y, byKeys) {
  move(x, y)
  const { id, place, width, height } = current
  place.byKeys = byKeys
  worker?.postMessage({ palette: id, x: place.x, y: place.y, width, height })
}

function hint(item, color) {
  if (!item.place) return // the dialog for colours was open when a swatch was chosen
  const { x, y } = item.place
  item.hints = [...item.hints, { x, y, color }]
  Object.assign(item, { place: null, palette: null })
  again(item)
  $('aim').focus()
}

function remove(item) {
  items.splice(items.indexOf(item), 1)
  worker?.postMessage({ forget: item.id })
  item.button.parentNode.remove()
  forget(item)
  if (current === item) current = items.at(-1) ?? null
}

// What the visitor does

$('choose').addEventListener('change', ({ target }) => {
  addAll([...target.files])
  target.value = ''
})
addEventListener('dragover', event => {
  event.preventDefault()
  document.body.classList.add('over')
})
addEventListener('dragleave', event => { if (!event.relatedTarget) document.body.classList.remove('over') })
addEventListener('drop', event => {
  event.preventDefault()
  document.body.classList.remove('over')
  addAll([...event.dataTransfer.files])
})
addEventListener('paste', event => { if (event.clipboardData.files.length) addAll([...event.clipboardData.files]) })
$('split').addEventListener('input', ({ target }) => $('compare').style.setProperty('--split', `${target.value}%`))
$('strength').addEventListener('input', () => { $('percent').textContent = `${strength()} %` })
$('strength').addEventListener('change', () => {
  if (!current) return
  current.strength = strength()
  again(current)
})
$('hinting').addEventListener('click', () => {
  hinting = !hinting
  show()
})
$('aim').addEventListener('pointerdown', event => {
  const box = $('aim').getBoundingClientRect()
  ask((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height)
})
$('aim').addEventListener('keydown', event => {
  const { key, shiftKey } = event
  const step = shiftKey ? 0.002 : 0.02
  const steps = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }
  const { width, height, place } = current
  const [x, y] = place ? [(place.x + 0.5) / width, (place.y + 0.5) / height] : [0.5, 0.5]
  if (key in steps) move(x + steps[key][0], y + steps[key][1])
  else if (key === 'Enter' || key === ' ') ask(x, y, true)
  else if (key === 'Escape') move()
  else return
  event.preventDefault()
})
$('undo').addEventListener('click', () => {
  current.hints.pop()
  again(current)
})
$('no-hints').addEventListener('click', () => {
  current.hints = []
  again(current)
})
$('save-hints').addEventListener('click', () => {
  const lines = current.hints.map(({ x, y, color }) => `${x},${y},${color}\n`)
  const href = URL.createObjectURL(new Blob(lines, { type: 'text/csv' }))
  const download = `${current.file.name.replace(/\.[^.]*$/, '')}-hints.csv`
  Object.assign(document.createElement('a'), { href, download }).click()
  setTimeout(() => URL.revokeObjectURL(href), 60_000)
})
$('clear').addEventListener('click', () => {
  for (const item of [...items]) remove(item)
  problems.length = 0
  $('strength').value = 100
  hinting = false
  show()
  $('choose').focus()
})
$('all').addEventListener('click', async () => {
  for (const { result } of items.filter(item => item.result)) {
    Object.assign(document.createElement('a'), { href: result.url, download: result.name }).click()
    await new Promise(resolve => setTimeout(resolve, 300)) // browsers drop downloads that come all at once
  }
})
for (const button of document.querySelectorAll('[data-language]')) {
  button.addEventListener('click', () => speak(button.dataset.language))
}
for (const name of examples) {
  const button = Object.assign(document.createElement('button'), { type: 'button' })
  const image = Object.assign(document.createElement('img'), { src: `examples/${name}` })
  image.dataset.alt = name.split('.')[0]
  button.append(image)
  button.addEventListener('click', async () => {
    const blob = await (await fetch(image.src)).blob()
    addAll([new File([blob], name, { type: blob.type })])
  })
  $('example-list').append(button)
}

speak(language)
const missing = ['Worker', 'OffscreenCanvas', 'createImageBitmap', 'WebAssembly'].find(name => !(name in self))
if (missing) complain('old', { missing })
else if (!navigator.connection?.saveData) start() // who saves data loads 30 MB with the first photo, not before
if (isSecureContext && navigator.serviceWorker) navigator.serviceWorker.register(new URL('sw.js', here))
