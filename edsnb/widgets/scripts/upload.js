// Sends a file in pieces, each with its checksum, and the next one only when the last has arrived.
const TABLE = new Uint32Array(256).map((_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

export function crc32(bytes) {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

export function render({ model, el }) {
  const zone = document.createElement("label");
  zone.className = "zone";
  const text = document.createElement("span");
  const field = document.createElement("input");
  field.type = "file";
  field.accept = model.endings.join(",");
  field.setAttribute("aria-label", model.title);
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.hidden = true;
  const stop = document.createElement("button");
  stop.type = "button";
  stop.textContent = "Cancel";
  stop.hidden = true;
  const said = document.createElement("div");
  said.setAttribute("role", "status");
  text.textContent = `${model.title} (up to ${model.limit_mb} MB)`;
  zone.append(text, field);
  el.append(zone, bar, stop, said);

  let arrived = null;
  let running = 0;
  model.on("msg:custom", (event) => arrived?.(event.data ?? event));

  const answer = () => new Promise((resolve) => { arrived = resolve });
  const show = (share, message) => {
    bar.hidden = stop.hidden = share === null;
    if (share !== null) bar.value = share;
    said.textContent = message;
  };

  async function send(file) {
    const mine = ++running;
    if (file.size > model.limit_mb * 1e6) {
      show(null, `${file.name} has ${(file.size / 1e6).toFixed(1)} MB; up to ${model.limit_mb} MB can be taken.`);
      return;
    }
    const pieces = Math.max(1, Math.ceil(file.size / model.piece));
    for (let k = 0; k < pieces;) {
      if (mine !== running) return;
      show(k / pieces, `Sending ${file.name} ...`);
      const data = await file.slice(k * model.piece, (k + 1) * model.piece).arrayBuffer();
      const told = answer();
      model.send_msg({ name: file.name, size: file.size, piece: k, pieces, crc: crc32(new Uint8Array(data)), data });
      const reply = await told;
      if (mine !== running) return;
      if (reply.error) { show(null, reply.error); return; }
      k = reply.next;
    }
    show(null, `${file.name} has arrived, checksum right.`);
  }

  const begin = (files) => {
    if (files.length) send(files[0]).catch((error) => show(null, `The file cannot be read: ${error.message}`));
    field.value = "";
  };
  field.addEventListener("change", () => begin([...field.files]));
  stop.addEventListener("click", () => { running++; show(null, "Cancelled."); model.send_msg({ cancel: true }) });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    zone.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.toggle("over", kind === "dragover");
      if (kind === "drop") begin([...event.dataTransfer.files]);
    });
  }
}
