// The chosen elements: the line that quantifies each, whether it is for deconvolution only, and a button to remove it.
//
// model.rows: [symbol, name, quantified, line, [[family, label], ...]].
// Sends ["line", symbol, family], ["deconvolve", symbol, boolean] and ["remove", symbol].

function lineChoice(model, [symbol, , quantified, line, lines]) {
  if (!quantified) return make("span", "faint", lines.map(([, label]) => label).join(", "))
  const select = make("select", "", "", {"aria-label": `Line of ${symbol}`, "data-key": `${symbol} line`})
  for (const [family, label] of lines) {
    const option = make("option", "", label, {value: family})
    option.selected = family === line
    select.append(option)
  }
  select.disabled = lines.length < 2
  select.addEventListener("change", () => model.send_msg(["line", symbol, select.value]))
  return select
}

function entry(model, row) {
  const [symbol, name, quantified] = row
  const line = make("tr", quantified ? "" : "kept-out")
  const head = make("th", "", symbol, {scope: "row", title: name})
  const box = make("input", "", "", {
    type: "checkbox", "aria-label": `${symbol} for deconvolution only`, "data-key": `${symbol} only`,
  })
  box.checked = !quantified
  box.addEventListener("change", () => model.send_msg(["deconvolve", symbol, box.checked]))
  const remove = make("button", "remove", "×", {
    type: "button", "aria-label": `Remove ${symbol}`, title: `Remove ${symbol}`, "data-key": `${symbol} remove`,
  })
  remove.addEventListener("click", () => model.send_msg(["remove", symbol]))
  const parts = [lineChoice(model, row), box, remove].map(part => {
    const data = make("td")
    data.append(part)
    return data
  })
  line.append(head, ...parts)
  return line
}

export function render({model}) {
  const table = make("table", "chosen")
  const head = make("tr")
  for (const text of ["Element", "Quantified by", "Deconvolution only", ""]) {
    head.append(make("th", "", text, {scope: "col"}))
  }
  const body = make("tbody")
  const none = make("p", "faint", "No element is chosen yet: click in the table, or type one.")
  const top = make("thead")
  top.append(head)
  table.append(top, body)
  function paint() {
    refill(body, model.rows.map(row => entry(model, row)))
    table.hidden = !model.rows.length
    none.hidden = !!model.rows.length
  }
  paint()
  model.on("rows", paint)
  return makeRoot(table, none)
}
