// Measures, in the page, how long it takes from what the hand does to the frame that shows what came of it.
//
// A figure is named by its title and axis labels; what it shows, by a column of one of its data sources.

window.bench = (() => {
  const views = () => {
    const found = []
    const walk = view => {
      if (view.model?.type === "Figure") found.push(view)
      for (const child of view.children?.() ?? []) walk(child)
    }
    for (const view of Object.values(window.Bokeh?.index ?? {})) walk(view)
    return found
  }
  const name = ({model}) => [model.title?.text, ...[...model.below, ...model.left].map(part => part.axis_label)].join(" | ")
  const column = (source, key) => source?.data[key] ?? source?.data.get?.(key)
  const source = (view, key) => view.model.renderers.map(r => r.data_source).find(s => column(s, key) !== undefined)
  const pick = (pattern, key) => views().filter(v => new RegExp(pattern).test(name(v)) && source(v, key))

  // A frame is on the screen when what is posted in its animation callback arrives.
  const committed = () => new Promise(resolve => requestAnimationFrame(() => {
    const channel = new MessageChannel()
    channel.port1.onmessage = () => resolve(performance.now())
    channel.port2.postMessage(0)
  }))

  // From the next such event to the frame in which the last of these figures is drawn with other data; see `result`.
  function arm(event, pattern, key) {
    const chosen = pick(pattern, key)
    if (!chosen.length) throw new Error(`no figure ${pattern} with ${key} among ${views().map(name).join("; ")}`)
    const before = new Map(chosen.map(view => [view, column(source(view, key), key)]))
    const result = new Promise((resolve, reject) => {
      let start = null
      const waiting = new Set(chosen)
      const timer = setTimeout(() => reject(new Error(`not drawn: ${[...waiting].map(name).join("; ")}`)), 30000)
      window.addEventListener(event, () => { start = performance.now() }, {capture: true, once: true})
      for (const view of chosen) {
        const drawn = async () => {
          if (start === null || column(source(view, key), key) === before.get(view)) return
          view.repainted.disconnect(drawn)
          const end = await committed()
          waiting.delete(view)
          if (waiting.size) return
          clearTimeout(timer)
          resolve(end - start)
        }
        view.repainted.connect(drawn)
      }
    })
    result.catch(() => {})
    api.result = result
    return chosen.length
  }

  // Times at which one figure is drawn, from now on; emptied by each call.
  function frames(pattern) {
    const view = pick(pattern, "image")[0]
    if (!api.times.has(view)) view.repainted.connect(() => api.times.get(view).push(performance.now()))
    api.times.set(view, [])
    return () => api.times.get(view)
  }

  // Time from the navigation to the frame in which a map of more than one pixel is drawn.
  async function first() {
    while (performance.now() < 60000) {
      for (const view of pick("x \\(", "image")) {
        const image = column(source(view, "image"), "image")
        if (image?.[0]?.length > 1 && view.has_finished()) return await committed()
      }
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    throw new Error(`no map was drawn, only ${views().map(name).join("; ")}`)
  }

  // Where a pixel of the map lies in the page.
  function place(pattern, y, x) {
    const view = pick(pattern, "image")[0]
    const box = view.canvas_view.el.getBoundingClientRect(), scale = view.model.tags[0] ?? 1
    return [box.left + view.frame.x_scale.compute(x * scale), box.top + view.frame.y_scale.compute(y * scale)]
  }

  const api = {arm, frames, first, place, times: new Map(), names: () => views().map(name)}
  return api
})()
