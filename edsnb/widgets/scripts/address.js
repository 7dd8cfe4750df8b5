// Keeps the address of the page a link to what it shows.
export function render({model}) {
  function follow() {
    if (!model.query) return
    window.history.replaceState({}, "", window.location.pathname + model.query)
    document.title = (new URLSearchParams(model.query).get("file") ?? "").split("/").pop() || "edsnb"
  }
  model.on("query", follow)
  follow()
  return document.createElement("div")
}
