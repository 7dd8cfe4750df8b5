// A button that puts a text into the clipboard.
const SAID_MS = 1500

export function render({model}) {
  const button = document.createElement("button")
  button.type = "button"
  button.textContent = "Copy"
  function say(text) {
    button.textContent = text
    setTimeout(() => { button.textContent = "Copy" }, SAID_MS)
  }
  // Pages without https may not use the clipboard directly.
  function by_hand() {
    const area = document.createElement("textarea")
    area.value = model.text
    area.style.position = "fixed"
    document.body.append(area)
    area.select()
    const done = document.execCommand("copy")
    area.remove()
    say(done ? "Copied" : "Select the text")
  }
  button.addEventListener("click", () => {
    if (navigator.clipboard) navigator.clipboard.writeText(model.text).then(() => say("Copied"), by_hand)
    else by_hand()
  })
  return button
}
