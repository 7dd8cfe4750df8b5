// Calls a function with a class of Bokeh's or Panel's as soon as that is loaded, once in a page.
function when(name, mend) {
  const PAUSE_MS = 10
  const wait = setInterval(() => {
    const found = window.Bokeh?.require("base").default_resolver.get(name)
    if (found == null) return
    clearInterval(wait)
    if (found.edsnb_mended) return
    found.edsnb_mended = true
    mend(found)
  }, PAUSE_MS)
}
