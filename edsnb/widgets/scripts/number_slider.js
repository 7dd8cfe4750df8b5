// A number, or a low and a high one, as slider and number field in one line.
//
// Sends [sequence, value]; Python answers with `answered` = sequence when all that follows from it is done. Until then
// nothing is sent but the newest value is kept, so that a slow answer makes the slider coarser instead of late.

function node(tag, name, attributes = {}) {
  const made = document.createElement(tag)
  made.className = name
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  return made
}

export function render({model}) {
  const root = node("div", "line")
  const name = node("span", "name")
  const track = node("div", "track")
  const pair = Array.isArray(model.value)
  const ends = pair ? [", from", ", to"] : [""]
  const ranges = ends.map(() => node("input", "range", {type: "range"}))
  const numbers = ends.map(() => node("input", "number", {type: "number"}))
  let sent = 0, waiting = false, next = null

  const values = () => (pair ? model.value : [model.value])
  const decimals = () => Math.max(0, Math.ceil(-Math.log10(model.step) - 1e-9))
  const rounded = value => Number(value.toFixed(decimals() + 1))

  function show(now = values()) {
    name.textContent = model.label
    root.title = model.label
    now.forEach((value, i) => {
      for (const input of [ranges[i], numbers[i]]) {
        input.min = model.start
        input.max = model.end
        input.disabled = model.disabled
        input.setAttribute("aria-label", model.label + ends[i])
      }
      ranges[i].step = model.step
      numbers[i].step = "any"
      ranges[i].value = value
      // Not under the fingers of who types.
      if (numbers[i].getRootNode().activeElement !== numbers[i] || !numbers[i].dataset.typing)
        numbers[i].value = rounded(value)
    })
    const share = value => 100 * (value - model.start) / Math.max(model.end - model.start, 1e-12)
    track.style.setProperty("--low", `${pair ? share(now[0]) : 0}%`)
    track.style.setProperty("--high", `${share(now[now.length - 1])}%`)
  }

  function send(value) {
    if (waiting) {
      next = value
      return
    }
    waiting = true
    sent += 1
    model.send_msg([sent, value])
  }

  function take(i, text) {
    const value = Number(text)
    if (text === "" || !Number.isFinite(value)) return show()
    const now = pair ? [...(next ?? values())] : [value]
    now[i] = value
    if (pair && now[0] > now[1]) now[1 - i] = value
    show(now)
    send(pair ? now : value)
  }

  model.on("answered", () => {
    waiting = false
    if (next !== null) {
      const value = next
      next = null
      send(value)
    } else show()
  })
  for (const change of ["value", "start", "end", "step", "label", "disabled"]) {
    model.on(change, () => { if (!waiting) show() })
  }
  ends.forEach((_, i) => {
    ranges[i].addEventListener("input", () => take(i, ranges[i].value))
    numbers[i].addEventListener("input", () => { numbers[i].dataset.typing = "yes" })
    numbers[i].addEventListener("change", () => {
      delete numbers[i].dataset.typing
      take(i, numbers[i].value)
    })
    numbers[i].addEventListener("blur", () => { delete numbers[i].dataset.typing })
    numbers[i].addEventListener("keydown", event => {
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return
      event.preventDefault()
      const step = (event.key === "ArrowUp" ? 1 : -1) * model.step
      delete numbers[i].dataset.typing
      take(i, String(rounded(Number(numbers[i].value) + step)))
    })
  })
  // JupyterLab has commands on single letters.
  root.addEventListener("keydown", event => event.stopPropagation())
  track.append(...ranges)
  if (pair) root.append(name, numbers[0], track, numbers[1])
  else if (model.slider) root.append(name, track, numbers[0])
  else root.append(name, numbers[0])
  root.classList.toggle("pair", pair)
  root.classList.toggle("plain", !model.slider)
  show()
  return root
}
