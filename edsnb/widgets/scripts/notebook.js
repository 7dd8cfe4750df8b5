// Mends two things by which a notebook's page loses what it and Python tell each other.
const ASK_AGAIN_MS = 20

// What came from Python is not sent back. Bokeh marks such changes (sync: false), and its server's connection leaves
// them out; those of Panel and of jupyter_bokeh do not. What comes back may be older than what Python has meanwhile,
// costs as much as on its way to the page, and fails for what Python has taken away meanwhile: from then on nothing
// of the widget is sent at all.
function end_echo(Document) {
  const tell = Document.prototype._trigger_on_change
  Document.prototype._trigger_on_change = function (event) {
    if ((event.events ?? [event]).some((one) => one.sync)) tell.call(this, event)
  }
}

// What Python sends before the widget is drawn waits for that; Panel drops it.
function wait_for_plot(Manager) {
  const handle = Manager.prototype.msg_handler
  const drawn = (id) => window.PyViz.plot_index[id] != null || id in window.Bokeh.index
  Manager.prototype.msg_handler = function (msg) {
    const early = this.edsnb_early ??= []
    early.push(msg)
    const drain = () => {
      this.edsnb_waits = this.document != null && !drawn(this.plot_id)
      if (this.edsnb_waits) return setTimeout(drain, ASK_AGAIN_MS)
      // Where one of them fails, the others are still there for the next time.
      while (early.length > 0) handle.call(this, early.shift())
    }
    if (!this.edsnb_waits) drain()
  }
}

when("panel.models.comm_manager.CommManager", (Manager) => {
  end_echo(window.Bokeh.require("document").Document)
  wait_for_plot(Manager)
})
