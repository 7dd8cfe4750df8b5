// Four buttons, and arrow keys on whichever of them has the focus. Keys end here: JupyterLab has its own for arrows.
const ARROWS = {
  left: ["ArrowLeft", "M15 5l-8 7 8 7z"],
  up: ["ArrowUp", "M5 15l7-8 7 8z"],
  down: ["ArrowDown", "M5 9l7 8 7-8z"],
  right: ["ArrowRight", "M9 5l8 7-8 7z"],
}

export function render({model}) {
  const root = document.createElement("div")
  root.className = "arrows"
  root.setAttribute("role", "group")
  root.setAttribute("aria-label", model.label)
  for (const [name, [key, path]] of Object.entries(ARROWS)) {
    const button = document.createElement("button")
    button.type = "button"
    button.title = `${model.noun} ${name} (arrow keys)`
    button.setAttribute("aria-label", `${model.noun} ${name}`)
    button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg>`
    button.addEventListener("click", () => model.send_msg(name))
    root.append(button)
  }
  root.addEventListener("keydown", event => {
    const found = Object.entries(ARROWS).find(([, [key]]) => key === event.key)
    if (!found) return
    event.preventDefault()
    event.stopPropagation()
    model.send_msg(found[0])
  })
  return root
}
