// What long work is doing, how far it is, and a button to cancel it.
// What is done sooner is not told: the page would be laid out anew twice, which takes longer.
const SOON_MS = 700

export function render({model}) {
  const root = document.createElement("div")
  root.className = "work"
  root.hidden = true
  const text = document.createElement("span")
  text.setAttribute("role", "status")
  const bar = document.createElement("progress")
  const stop = document.createElement("button")
  stop.type = "button"
  stop.textContent = "Cancel"
  stop.addEventListener("click", () => model.send_msg("cancel"))
  root.append(text, bar, stop)
  let later
  function tell() {
    const said = model.running ? `${model.what} ... ${Math.round(100 * model.share)} %` : ""
    if (text.textContent !== said) text.textContent = said
    bar.setAttribute("aria-label", model.what)
    bar.value = model.share
  }
  function follow() {
    clearTimeout(later)
    tell()
    if (!model.running) root.hidden = true
    else if (root.hidden) later = setTimeout(() => { root.hidden = false }, SOON_MS)
  }
  model.on("running", follow)
  model.on("what", tell)
  model.on("share", tell)
  model.on("remove", () => clearTimeout(later))
  follow()
  return root
}
