// Tells Python where the mouse is on a map, in whole pixels, no more often than it can follow.
const now = Date.now();
const y = Math.round(cb_obj.y / frame.tags[0]), x = Math.round(cb_obj.x / frame.tags[0]);
const told = source.data, same = told.y[0] === y && told.x[0] === x;
window.clearTimeout(source.__later);
if (same) return;
const tell = () => { source.__last = Date.now(); source.data = {y: [y], x: [x]} };
const wait = PAUSE - (now - (source.__last ?? 0));
if (wait <= 0) tell(); else source.__later = window.setTimeout(tell, wait);
