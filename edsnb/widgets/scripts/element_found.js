// What the search found and is not chosen yet, the strongest first.
//
// model.rows: [symbol, line, significance, note, clear]. Sends ["accept", symbol, quantify].

function entry(model, [symbol, line, significance, note]) {
  const item = make("li")
  const head = make("div", "suggestion")
  head.append(make("b", "", symbol), make("span", "", line), make("span", "sigma", significance))
  for (const [text, quantify] of [["Quantify", true], ["Deconvolve", false]]) {
    const button = make("button", "", text, {
      type: "button", "aria-label": `${text} ${symbol}`, "data-key": `${symbol} ${text}`,
    })
    button.addEventListener("click", () => model.send_msg(["accept", symbol, quantify]))
    head.append(button)
  }
  item.append(head)
  if (note) item.append(make("p", "faint", note))
  return item
}

export function render({model}) {
  const list = make("ul", "suggestions", "", {"aria-label": "Suggested elements"})
  function paint() {
    const entries = model.rows.map(row => entry(model, row))
    const weaker = model.rows.findIndex(row => !row[4])
    if (weaker >= 0) entries.splice(weaker, 0, make("li", "faint", "Not significant, but perhaps:"))
    refill(list, entries)
  }
  paint()
  model.on("rows", paint)
  return makeRoot(list)
}
