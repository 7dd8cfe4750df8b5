// What the scripts of the element picker share. They are joined to one module each; see element_views.py.

/** Make an element with a class, text and attributes. */
function make(tag, name = "", text = "", attributes = {}) {
  const node = document.createElement(tag)
  node.className = name
  node.textContent = text
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  return node
}

/** Make the element that holds a view. Keys pressed in it end there: JupyterLab has commands on single letters. */
function makeRoot(...children) {
  const root = make("div", "elements")
  root.append(...children)
  root.addEventListener("keydown", event => event.stopPropagation())
  return root
}

/** Fill `root` anew, and give the focus back to the part that had it: the same `data-key`, else that in its place. */
function refill(root, children) {
  const keys = () => [...root.querySelectorAll("[data-key]")]
  const before = keys()
  const at = before.indexOf(root.getRootNode().activeElement)
  root.replaceChildren(...children)
  if (at < 0) return
  const after = keys()
  const next = after.find(node => node.dataset.key === before[at].dataset.key) ?? after[Math.min(at, after.length - 1)]
  next?.focus()
}
