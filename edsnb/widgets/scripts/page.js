// Mends two things in Bokeh's and Panel's page.
(function () {
  // A change that comes after a widget made with React was drawn for the first time, and before React lets it listen,
  // some tens of milliseconds later, is lost: a button that was made while work was under way stayed grey for ever, where
  // the work ended just then.
  function look_again(ReactiveESM) {
    const watch = ReactiveESM.prototype.watch
    ReactiveESM.prototype.watch = function (view, prop, changed, of_react = false) {
      watch.call(this, view, prop, changed, of_react)
      if (of_react) changed()
    }
  }

  // Bokeh lays out the whole widget anew at each change of a size. Of those that come in one message the last is enough:
  // eighteen maps that were made to fit a notebook's cell kept its page busy for a quarter of a minute.
  // Not before the message's end: what is drawn with new data is ready then.
  function lay_out_once(Document, ...Views) {
    const waiting = new Map()
    let in_message = false
    const apply = Document.prototype.apply_json_patch
    Document.prototype.apply_json_patch = function (...message) {
      const before = in_message
      in_message = true
      try {
        return apply.apply(this, message)
      } finally {
        in_message = before
      }
    }
    function lay_out_all() {
      const views = [...waiting]
      waiting.clear()
      for (const [view, lay_out] of views) if (!view.is_destroyed) lay_out.call(view)
    }
    for (const View of Views) {
      const lay_out = View.prototype.invalidate_layout
      View.prototype.invalidate_layout = function () {
        if (!in_message || this.is_managed) return lay_out.call(this)
        if (waiting.size === 0) setTimeout(lay_out_all)
        waiting.set(this, lay_out)
      }
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
    const {LayoutDOMView} = window.Bokeh.require("models/layouts/layout_dom")
    lay_out_once(window.Bokeh.require("document").Document, LayoutDOMView, ReactiveESM.prototype.default_view)
  }, PAUSE_MS)
})();
