// Lines of text that change often: plain elements, so that Bokeh does not lay out the whole page at each change.
export function render({model, el}) {
  const root = document.createElement("div")
  function show() {
    while (root.children.length > model.lines.length) root.lastChild.remove()
    model.lines.forEach((text, i) => {
      let line = root.children[i]
      if (line === undefined) {
        line = document.createElement("div")
        // What follows the mouse would be read out without end.
        if (i > 0 || !model.first_is_hover) line.setAttribute("role", "status")
        root.append(line)
      }
      if (line.textContent !== text) line.textContent = text
      line.hidden = text === ""
    })
    // With all its margins.
    const host = el.getRootNode().host
    if (host !== undefined) host.toggleAttribute("data-empty", model.lines.every(text => text === ""))
  }
  model.on("lines", show)
  model.on("after_layout", show)
  show()
  return root
}
