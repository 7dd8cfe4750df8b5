// Tells how wide the place is in which it lies, and how high the window: figures are then made to fit.
const PAUSE_MS = 120, STEP_PX = 8

export function render({model, el}) {
  const root = document.createElement("div")
  root.style.width = "100%"
  let later
  function tell() {
    const width = STEP_PX * Math.floor(root.getBoundingClientRect().width / STEP_PX)
    const height = STEP_PX * Math.floor(window.innerHeight / STEP_PX)
    // Nothing is known while it is hidden.
    if (width > 0 && (width !== model.room[0] || height !== model.room[1])) model.room = [width, height]
  }
  const seen = new ResizeObserver(() => { clearTimeout(later); later = setTimeout(tell, PAUSE_MS) })
  seen.observe(root)
  const resized = () => { clearTimeout(later); later = setTimeout(tell, PAUSE_MS) }
  window.addEventListener("resize", resized)
  model.on("remove", () => { seen.disconnect(); window.removeEventListener("resize", resized) })
  return root
}
