// Mends four things in Bokeh's and Panel's page.

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

// Bokeh takes what the server sent for new to the server, and sends it back, with all that it holds, with the first event
// that names it. A button of React holds functions, which cannot be sent: its first click was lost.
function know_what_came(Deserializer) {
  const {decode} = Deserializer.prototype
  Deserializer.prototype.decode = function (...message) {
    const {finalize} = this
    if (finalize != null) {
      this.finalize = (model) => {
        finalize(model)
        model.document?._new_models.delete(model)
      }
    }
    try {
      return decode.apply(this, message)
    } finally {
      this.finalize = finalize
    }
  }
}

// Bokeh lays out a whole page part anew at each change of a size or colour, and at each element whose size changes: eighteen
// maps that were made to fit a notebook's cell, or the theme that changes, kept a page busy for a quarter of a minute.
// Of all that come at the same time one is enough. Not before all have come: what is drawn with new data is ready then.
function lay_out_once(HasProps, Document, ...Views) {
  const waiting = {invalidate_layout: new Map(), compute_layout: new Map()}
  let within = 0
  function gather(prototype, name) {
    const method = prototype[name]
    prototype[name] = function (...values) {
      within += 1
      try {
        return method.apply(this, values)
      } finally {
        within -= 1
      }
    }
  }
  function put_off(prototype, name) {
    const method = prototype[name]
    prototype[name] = function () {
      if (within === 0 || this.is_managed) return method.call(this)
      if (waiting.invalidate_layout.size + waiting.compute_layout.size === 0) setTimeout(lay_out_all)
      waiting[name].set(this, method)
    }
  }
  function lay_out_all() {
    within += 1
    try {
      // What is invalid is laid out after it, with all others; what these in turn ask for, the next time.
      for (const views of Object.values(waiting)) {
        const now = [...views]
        views.clear()
        for (const [view, method] of now) {
          if (view.is_destroyed) continue
          try {
            method.call(view)
          } catch (error) {
            // One that fails keeps none of the others from being laid out.
            window.reportError(error)
          }
        }
      }
    } finally {
      within -= 1
    }
  }
  gather(Document.prototype, "apply_json_patch")
  gather(HasProps.prototype, "setv")
  for (const View of Views) {
    gather(View.prototype, "after_resize")
    put_off(View.prototype, "invalidate_layout")
    put_off(View.prototype, "compute_layout")
  }
}

// What is hidden, as in a tab that is not looked at, is laid out and drawn when it is shown again, not each time that
// something else changes: five hidden tabs took four fifths of the time.
function leave_hidden(LayoutDOMView, PlotView) {
  let hidden = 0
  const {update_layout} = LayoutDOMView.prototype
  LayoutDOMView.prototype.update_layout = function () {
    const within = !this.model.visible
    hidden += within
    try {
      update_layout.call(this)
    } finally {
      hidden -= within
    }
  }
  // Once a figure has to be, as its axes ask for it.
  const {_update_layout} = PlotView.prototype
  PlotView.prototype._update_layout = function () {
    if (hidden === 0 || this.layout == null) _update_layout.call(this)
  }
  for (const name of ["measure_layout", "_compute_layout", "after_layout"]) {
    const method = LayoutDOMView.prototype[name]
    LayoutDOMView.prototype[name] = function () {
      // Once it has to be: the page waits for all its figures, and Panel for the page.
      if (this.model.visible || !this.has_finished()) method.call(this)
    }
  }
  const repaint = PlotView.prototype.repaint
  PlotView.prototype.repaint = function () {
    if (this.is_displayed) repaint.call(this)
    else this.paint()
  }
}

when("panel.models.esm.ReactiveESM", (ReactiveESM) => {
  look_again(ReactiveESM)
  know_what_came(window.Bokeh.require("core/serialization/deserializer").Deserializer)
  const {LayoutDOMView} = window.Bokeh.require("models/layouts/layout_dom")
  const {HasProps} = window.Bokeh.require("core/has_props")
  const {Document} = window.Bokeh.require("document")
  leave_hidden(LayoutDOMView, window.Bokeh.require("models/plots/plot_canvas").PlotView)
  lay_out_once(HasProps, Document, LayoutDOMView, ReactiveESM.prototype.default_view)
})
