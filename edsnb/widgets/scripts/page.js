// Mends what Panel's page loses of a widget made with React: a change that comes after the widget was drawn for the first
// time, and before React lets it listen, some tens of milliseconds later. A button that was made while work was under way
// stayed grey for ever, where the work ended just then.
(function () {
  function look_again(ReactiveESM) {
    const watch = ReactiveESM.prototype.watch
    ReactiveESM.prototype.watch = function (view, prop, changed, of_react = false) {
      watch.call(this, view, prop, changed, of_react)
      if (of_react) changed()
    }
  }

  const PAUSE_MS = 10
  // Bokeh and Panel themselves are still being loaded, perhaps.
  const wait = setInterval(() => {
    const ReactiveESM = window.Bokeh?.require("base").default_resolver.get("panel.models.esm.ReactiveESM")
    if (ReactiveESM == null) return
    clearInterval(wait)
    if (ReactiveESM.edsnb_mended) return
    ReactiveESM.edsnb_mended = true
    look_again(ReactiveESM)
  }, PAUSE_MS)
})();
