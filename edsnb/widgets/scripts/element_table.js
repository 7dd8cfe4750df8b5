// A field that elements are typed into, the periodic table, and its legend.
//
// model.places: [z, symbol, name, row, column] of each element; model.cells: {symbol: [role, found, tip]}.
// Sends ["add", text], ["toggle", symbol] and ["remove", symbol].

const STEPS = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}
const ROLES = {quantified: "quantified", deconvolved: "deconvolution only", off: "not chosen", none: "no line in range"}
const SHOWN = 7

/** The field: typed text is sent at Enter, several words at once if wanted; below it are the elements it may mean. */
function searchField(model) {
  const field = make("div", "search")
  const input = make("input", "", "", {
    type: "text", role: "combobox", "aria-label": "Add elements", "aria-expanded": "false", "aria-autocomplete": "list",
    "aria-controls": "matches", autocomplete: "off", spellcheck: "false", placeholder: "Add: La, lanthanum, 57 ...",
  })
  const list = make("ul", "matches", "", {id: "matches", role: "listbox", "aria-label": "Elements that match"})
  list.hidden = true
  let active = -1

  const word = () => input.value.split(/[\s,;]+/).at(-1).toLowerCase()
  function matching() {
    const text = word()
    if (!text) return []
    const rank = ([z, symbol, name]) =>
      symbol.toLowerCase() === text || String(z) === text ? 0
        : symbol.toLowerCase().startsWith(text) ? 1 : name.toLowerCase().startsWith(text) ? 2 : 3
    return model.places.filter(place => rank(place) < 3).sort((a, b) => rank(a) - rank(b)).slice(0, SHOWN)
  }
  function mark(index) {
    active = index
    for (const [i, option] of [...list.children].entries()) option.setAttribute("aria-selected", String(i === index))
    if (index < 0) input.removeAttribute("aria-activedescendant")
    else input.setAttribute("aria-activedescendant", list.children[index].id)
  }
  function close() {
    list.hidden = true
    list.replaceChildren()
    input.setAttribute("aria-expanded", "false")
    mark(-1)
  }
  function open() {
    list.replaceChildren(...matching().map(([z, symbol, name]) => {
      const option = make("li", "", "", {id: `match-${symbol}`, role: "option", "data-symbol": symbol})
      option.append(make("b", "", symbol), make("span", "", name), make("i", "", ROLES[model.cells[symbol][0]]))
      option.classList.toggle("none", model.cells[symbol][0] === "none")
      return option
    }))
    list.hidden = !list.children.length
    input.setAttribute("aria-expanded", String(!list.hidden))
    mark(-1)
  }
  function send(text) {
    if (text.trim()) model.send_msg(["add", text])
    input.value = ""
    close()
  }
  const choose = option => send(input.value.slice(0, input.value.length - word().length) + option.dataset.symbol)

  input.addEventListener("input", open)
  input.addEventListener("blur", close)
  input.addEventListener("keydown", event => {
    const n = list.children.length
    if (event.key === "Enter") active >= 0 ? choose(list.children[active]) : send(input.value)
    else if (event.key === "Escape") close()
    else if (event.key === "ArrowDown" && n) mark((active + 1) % n)
    else if (event.key === "ArrowUp" && n) mark((active <= 0 ? n : active) - 1)
    else return
    event.preventDefault()
  })
  // Not click: the field would lose the focus before, and close the list.
  list.addEventListener("mousedown", event => {
    event.preventDefault()
    const option = event.target.closest("li")
    if (option) choose(option)
  })
  field.append(input, list)
  return field
}

/** The table: one cell can be reached by Tab, the others from it by arrow keys or by typing a symbol. */
function periodicTable(model) {
  const grid = make("div", "table", "", {role: "grid", "aria-label": "Periodic table"})
  const cells = new Map()
  const at = new Map()
  for (const [z, symbol, name, row, column] of model.places) {
    let line = grid.querySelector(`[data-row="${row}"]`)
    if (!line) {
      line = make("div", "row", "", {role: "row", "data-row": row})
      grid.append(line)
    }
    const cell = make("button", "cell", "", {type: "button", role: "gridcell", tabindex: "-1", "data-symbol": symbol})
    cell.append(make("small", "", String(z)), make("span", "", symbol))
    cell.style.gridArea = `${row} / ${column}`
    line.append(cell)
    cells.set(symbol, {cell, z, name, row, column})
    at.set(`${row},${column}`, symbol)
  }
  // Read row by row.
  grid.append(...[...grid.children].sort((a, b) => a.dataset.row - b.dataset.row))
  for (const line of grid.children) {
    line.append(...[...line.children].sort((a, b) => cells.get(a.dataset.symbol).column - cells.get(b.dataset.symbol).column))
  }

  let current = "H"
  function focus(symbol) {
    cells.get(current).cell.tabIndex = -1
    current = symbol
    cells.get(current).cell.tabIndex = 0
    cells.get(current).cell.focus()
  }
  function step([down, right]) {
    let {row, column} = cells.get(current)
    do {
      row += down
      column += right
    } while (row >= 1 && row <= 9 && column >= 1 && column <= 18 && !at.has(`${row},${column}`))
    if (at.has(`${row},${column}`)) focus(at.get(`${row},${column}`))
  }
  const symbols = model.places.map(place => place[1])
  const named = text => symbols.find(s => s.toLowerCase() === text) ?? symbols.find(s => s.toLowerCase().startsWith(text))
  let typed = "", since = 0
  function type(letter) {
    const now = Date.now()
    typed = (now - since < 900 ? typed : "") + letter.toLowerCase()
    if (!named(typed)) typed = letter.toLowerCase()
    since = now
    if (named(typed)) focus(named(typed))
  }
  grid.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key in STEPS) step(STEPS[event.key])
    else if (event.key === "Delete" || event.key === "Backspace") model.send_msg(["remove", current])
    else if (/^[a-z]$/i.test(event.key)) type(event.key)
    else return
    event.preventDefault()
  })
  grid.addEventListener("click", event => {
    const cell = event.target.closest("button")
    if (!cell) return
    focus(cell.dataset.symbol)
    model.send_msg(["toggle", cell.dataset.symbol])
  })

  function paint() {
    for (const [symbol, {cell, z, name}] of cells) {
      const [role, found, tip] = model.cells[symbol]
      cell.className = `cell ${role}${found ? " found" : ""}`
      const label = [name, z, ROLES[role], found && `suggested, ${found}`, tip].filter(Boolean).join(", ")
      cell.setAttribute("aria-label", label)
      cell.title = `${symbol}  ${label}`
      cell.setAttribute("aria-disabled", String(role === "none"))
    }
  }
  cells.get(current).cell.tabIndex = 0
  paint()
  model.on("cells", paint)
  return grid
}

function legend() {
  const line = make("div", "legend")
  for (const [name, text] of [["quantified", "quantified"], ["deconvolved", "deconvolution only"],
    ["off found", "suggested"], ["none", "no line in range"]]) {
    const entry = make("span", "", "")
    entry.append(make("i", `cell ${name}`, name === "none" ? "X" : ""), text)
    line.append(entry)
  }
  line.append(make("em", "", "Each click: quantify, deconvolution only, off."))
  return line
}

export function render({model}) {
  return makeRoot(searchField(model), periodicTable(model), legend())
}
