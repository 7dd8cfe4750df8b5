// Keeps a notebook's page from sending back to Python what came from there.
//
// Bokeh marks such changes (sync: false), and its server's connection leaves them out; those of Panel and of
// jupyter_bokeh do not. What comes back may be older than what Python has meanwhile, costs as much as it did on its way
// to the page, and fails for what Python has taken away meanwhile: from then on nothing of the widget is sent at all.
(function () {
  function end_echo() {
    if (window.Bokeh === undefined) return false
    const {Document} = window.Bokeh.require("document")
    if (Document.prototype.edsnb_no_echo) return true
    Document.prototype.edsnb_no_echo = true
    const tell = Document.prototype._trigger_on_change
    Document.prototype._trigger_on_change = function (event) {
      if ((event.events ?? [event]).some((one) => one.sync)) tell.call(this, event)
    }
    return true
  }
  // Bokeh itself is still being loaded, perhaps.
  const wait = setInterval(() => { if (end_echo()) clearInterval(wait) }, 20)
})()
