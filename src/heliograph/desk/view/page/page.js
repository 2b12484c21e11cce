// The page of `heliograph view`. One WebSocket: pictures come as they are asked for, one at a time; features are set by name.
"use strict";

const byId = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const store = (key, value) => { try { localStorage.setItem(key, value); } catch { /* a private window keeps nothing */ } };
const stored = (key) => { try { return localStorage.getItem(key); } catch { return null; } };

// ---------------------------------------------------------------- the line to the program

let socket = null;
let session = "";
let readOnly = false;
let paused = false;
let cameraState = "connecting";
let asked = false; // a picture is under way
let changed = false; // and since it was asked for, the page looks at something else

function connect() {
  const url = new URL("socket", location.href);
  url.protocol = "ws:";
  socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.onmessage = (event) => (typeof event.data === "string" ? heard(JSON.parse(event.data)) : received(event.data));
  socket.onclose = () => {
    asked = false;
    knobs.forEach((knob) => knob.forget());
    show("gone", "the program has ended, or the tunnel to it; start heliograph view again");
    setTimeout(connect, 1000);
  };
}

function say(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

function heard(message) {
  if (message.type === "hello") {
    session = message.session;
    readOnly = message.read_only;
    byId("looking").hidden = !readOnly;
    byId("camera").textContent = message.camera;
    document.title = `${message.camera} · Heliograph`;
    say({ type: "features" });
    ask();
  } else if (message.type === "state") {
    show(message.state, message.message);
    if (message.state === "live") say({ type: "features" });
  } else if (message.type === "features") {
    featuresCame(message.features, message.all);
  } else if (message.type === "set") {
    knobs.get(message.name)?.answered(message.error);
  }
}

const TITLES = { lost: "Camera lost", waiting: "No picture", ended: "The end", gone: "Not connected" };

function show(state, message) {
  cameraState = state;
  const pill = byId("state");
  pill.dataset.state = state === "live" && paused ? "paused" : state;
  pill.textContent = pill.dataset.state === "gone" ? "not connected" : pill.dataset.state;
  const silent = state !== "live" && !(state === "ended" && frame);
  byId("notice").hidden = !silent;
  byId("notice").classList.toggle("bad", state === "lost" || state === "gone");
  byId("notice-title").textContent = TITLES[state] ?? "";
  byId("notice-text").textContent = message;
  picture.classList.toggle("stale", silent);
  if (silent) byId("rate").textContent = "0";
}

// Asks for the next picture; when paused, for the same one in the way it is looked at now.
function ask() {
  changed = asked;
  if (asked || document.hidden) return;
  const { crop, width, height } = wantedPart();
  asked = say({ type: "next", width, height, crop, region: focusRegion, paused });
}

document.addEventListener("visibilitychange", ask);

// ---------------------------------------------------------------- the picture

const picture = byId("picture");
const canvas = picture.getContext("2d");
let frame = null; // what the program said about the frame
let bitmap = null; // the part of it that came
let scale = null; // pixels of the screen for one of the camera; null fits the window
let middle = { x: 0.5, y: 0.5 }; // of the window, as a share of the frame
let focusRegion = null;
let drawn = null; // the region being drawn: two corners in px of the frame
let shownTimes = [];

async function received(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const jpeg = new Blob([new Uint8Array(buffer, 4 + length)], { type: "image/jpeg" });
  const came = await createImageBitmap(jpeg);
  bitmap?.close();
  bitmap = came;
  frame = header;
  shownTimes = [...shownTimes.slice(-30), performance.now()];
  asked = false;
  draw();
  showFrame();
  if (header.measures) showMeasures(header.measures);
  if (!paused || changed) ask();
}

const fitScale = () => (frame ? Math.min(picture.width / frame.width, picture.height / frame.height) : 1);
const currentScale = () => scale ?? fitScale();

// Where a pixel of the frame is on the canvas.
function onCanvas(x, y) {
  const s = currentScale();
  const centre = scale === null ? { x: 0.5, y: 0.5 } : middle;
  return [picture.width / 2 + (x - centre.x * frame.width) * s, picture.height / 2 + (y - centre.y * frame.height) * s];
}

function inFrame(x, y) {
  const s = currentScale();
  const centre = scale === null ? { x: 0.5, y: 0.5 } : middle;
  return [(x - picture.width / 2) / s + centre.x * frame.width, (y - picture.height / 2) / s + centre.y * frame.height];
}

// The part of the frame that the window shows, and how many pixels of the screen it takes.
function wantedPart() {
  if (!frame || scale === null) return { crop: null, width: picture.width, height: picture.height };
  const [left, top] = inFrame(0, 0).map((value) => Math.max(0, Math.floor(value)));
  const [right, bottom] = inFrame(picture.width, picture.height).map(Math.ceil);
  const crop = [left, top, Math.max(1, Math.min(right, frame.width) - left), Math.max(1, Math.min(bottom, frame.height) - top)];
  return { crop, width: Math.ceil(crop[2] * scale), height: Math.ceil(crop[3] * scale) };
}

function draw() {
  canvas.clearRect(0, 0, picture.width, picture.height);
  if (!bitmap) return;
  const s = currentScale();
  const [left, top] = onCanvas(frame.shown.left, frame.shown.top);
  canvas.imageSmoothingEnabled = s < 2;
  canvas.drawImage(bitmap, left, top, frame.shown.width * s, frame.shown.height * s);
  const region = drawn ? cornersToRegion(drawn) : frame.measures?.region ?? lastRegion;
  if (region) drawRegion(region);
  byId("zoom").textContent = `${s >= 0.995 ? s.toFixed(s % 1 > 0.01 ? 1 : 0) + ":1" : (100 * s).toFixed(0) + " %"}`;
  byId("fit").setAttribute("aria-pressed", scale === null);
  byId("one").setAttribute("aria-pressed", scale === 1);
}

function drawRegion([left, top, width, height]) {
  const [x0, y0] = onCanvas(left, top);
  const [x1, y1] = onCanvas(left + width, top + height);
  const arm = Math.min(16 * devicePixelRatio, (x1 - x0) / 3, (y1 - y0) / 3);
  canvas.beginPath();
  for (const [x, y, dx, dy] of [[x0, y0, 1, 1], [x1, y0, -1, 1], [x0, y1, 1, -1], [x1, y1, -1, -1]]) {
    canvas.moveTo(x + dx * arm, y);
    canvas.lineTo(x, y);
    canvas.lineTo(x, y + dy * arm);
  }
  for (const [width, colour] of [[3, "#0008"], [1.25, focusRegion || drawn ? "#ffab40" : "#ffab4099"]]) {
    canvas.lineWidth = width * devicePixelRatio;
    canvas.strokeStyle = colour;
    canvas.stroke();
  }
}

function zoomTo(wanted, x = picture.width / 2, y = picture.height / 2) {
  if (!frame) return;
  const [fx, fy] = inFrame(x, y);
  scale = wanted === null ? null : clamp(wanted, Math.min(1, fitScale()) / 2, 32);
  if (scale !== null) {
    middle = { x: (fx - (x - picture.width / 2) / scale) / frame.width, y: (fy - (y - picture.height / 2) / scale) / frame.height };
    keepInside();
  }
  draw();
  ask();
}

function move(dx, dy) {
  if (!frame || scale === null) return;
  middle = { x: middle.x - dx / scale / frame.width, y: middle.y - dy / scale / frame.height };
  keepInside();
  draw();
  ask();
}

function keepInside() {
  middle = { x: clamp(middle.x, 0, 1), y: clamp(middle.y, 0, 1) };
}

const pointers = { down: null };
const place = (event) => [event.offsetX * devicePixelRatio, event.offsetY * devicePixelRatio];

picture.addEventListener("pointerdown", (event) => {
  if (!frame || event.button !== 0) return;
  picture.setPointerCapture(event.pointerId);
  const at = place(event);
  if (drawing || event.shiftKey) drawn = [inFrame(...at), inFrame(...at)];
  pointers.down = at;
  picture.classList.add("moving");
});

picture.addEventListener("pointermove", (event) => {
  if (!frame) return;
  const at = place(event);
  const [x, y] = inFrame(...at).map(Math.floor);
  const inside = x >= 0 && y >= 0 && x < frame.width && y < frame.height;
  byId("pixel").textContent = inside ? `x ${x}  y ${y}` : "";
  if (!pointers.down) return;
  if (drawn) {
    drawn[1] = inFrame(...at);
    draw();
  } else {
    move(at[0] - pointers.down[0], at[1] - pointers.down[1]);
    pointers.down = at;
  }
});

function pointerEnded() {
  picture.classList.remove("moving");
  pointers.down = null;
  if (!drawn) return;
  const region = cornersToRegion(drawn);
  drawn = null;
  setDrawing(false);
  if (region[2] >= 8 && region[3] >= 8) focusOn(region);
  draw();
}
picture.addEventListener("pointerup", pointerEnded);
picture.addEventListener("pointercancel", pointerEnded);

picture.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoomTo(currentScale() * Math.exp(-clamp(event.deltaY, -120, 120) / 300), ...place(event));
}, { passive: false });

picture.addEventListener("dblclick", (event) => zoomTo(scale === null ? 1 : null, ...place(event)));

function cornersToRegion([[x0, y0], [x1, y1]]) {
  const left = clamp(Math.floor(Math.min(x0, x1)), 0, frame.width - 1);
  const top = clamp(Math.floor(Math.min(y0, y1)), 0, frame.height - 1);
  return [left, top, clamp(Math.ceil(Math.max(x0, x1)), 1, frame.width) - left, clamp(Math.ceil(Math.max(y0, y1)), 1, frame.height) - top];
}

let drawing = false;
function setDrawing(wanted) {
  drawing = wanted;
  byId("region").setAttribute("aria-pressed", drawing);
  picture.classList.toggle("drawing", drawing);
}

function focusOn(region) {
  focusRegion = region;
  trend = [];
  best = 0;
  ask();
}

new ResizeObserver(() => {
  picture.width = Math.max(1, Math.round(picture.clientWidth * devicePixelRatio));
  picture.height = Math.max(1, Math.round(picture.clientHeight * devicePixelRatio));
  draw();
  ask();
}).observe(picture);

function setPaused(wanted) {
  paused = wanted;
  byId("pause").setAttribute("aria-pressed", paused);
  byId("pause").firstChild.textContent = paused ? "Go on " : "Pause ";
  show(cameraState, byId("notice-text").textContent);
  asked = false; // the program may be waiting for a new picture, and forgets that when it is asked again
  ask();
}

async function save() {
  const button = byId("save");
  button.disabled = true;
  try {
    const answer = await fetch(`picture.png?session=${encodeURIComponent(session)}`);
    if (!answer.ok) throw new Error(await answer.text());
    const named = /filename\*=UTF-8''([^;]+)/.exec(answer.headers.get("Content-Disposition"));
    const link = make("a", { href: URL.createObjectURL(await answer.blob()), download: decodeURIComponent(named[1]) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (error) {
    byId("pixel").textContent = `not saved: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

// ---------------------------------------------------------------- what is known of the frame

function shown(value, digits, unit = "") {
  return value === null || value === undefined ? null : `${Number(value).toFixed(digits)}${unit && " " + unit}`;
}

function clockTime(header) {
  if (header.wall_time_ms !== null) return new Date(header.wall_time_ms).toISOString().slice(11, 23) + " UTC";
  const ns = BigInt(header.timestamp_ns);
  return `${ns / 1_000_000_000n}.${String((ns % 1_000_000_000n) / 1000n).padStart(6, "0")} s`;
}

const fromFeature = (name, digits, unit) => shown(knobs.get(name)?.feature.value, digits, unit);

function showFrame() {
  const counts = frame.statistics;
  const lost = counts.incomplete_frames + counts.dropped_frames;
  byId("rate").textContent = cameraState === "live" ? frame.rate_hz.toFixed(1) : "0";
  byId("frame").textContent = frame.id;
  byId("lost").textContent = lost;
  byId("lost").classList.toggle("alarm", lost > 0);
  const span = shownTimes.at(-1) - shownTimes[0];
  const facts = {
    "Size": `${frame.width} × ${frame.height}`,
    "Format": SHORT[frame.format] ?? frame.format,
    "Exposure": shown(frame.exposure_us, 0, "µs") ?? fromFeature("ExposureTime", 0, "µs"),
    "Gain": shown(frame.gain_db, 2, "dB") ?? fromFeature("Gain", 2, "dB"),
    "Start of exposure": clockTime(frame),
    "Temperature": shown(frame.temperature_c, 1, "°C"),
    "Shown here": span > 0 ? `${((1000 * (shownTimes.length - 1)) / span).toFixed(1)} frames/s` : "–",
    "Frames received": counts.frames,
    "Incomplete": counts.incomplete_frames,
    "Packets missing": counts.missing_packets,
    "Packets resent": counts.resent_packets,
    "Frames dropped": counts.dropped_frames,
    "Reconnects": counts.reconnects || null,
  };
  const rows = Object.entries(facts).filter(([, value]) => value !== null && value !== undefined);
  byId("facts").replaceChildren(...rows.flatMap(([name, value]) => {
    const alarm = ["Incomplete", "Packets missing", "Frames dropped"].includes(name) && value > 0;
    return [make("dt", { textContent: name }), make("dd", { textContent: value, className: alarm ? "alarm" : "" })];
  }));
}

// ---------------------------------------------------------------- histogram and focus

const TREND_MS = 20_000;
let logarithmic = stored("heliograph-log") !== "0";
let measures = null;
let lastRegion = null;
let trend = [];
let best = 0;

function showMeasures(came) {
  measures = came;
  lastRegion = came.region;
  const now = performance.now();
  if (!paused) trend = [...trend.filter((each) => now - each.at < TREND_MS), { at: now, focus: came.focus }];
  best = Math.max(best, came.focus);
  byId("focus").textContent = came.focus.toPrecision(4);
  byId("best").textContent = best.toPrecision(4);
  byId("share").textContent = best > 0 ? `${((100 * came.focus) / best).toFixed(0)} % of the best` : "";
  byId("clipped").textContent = came.clipped > 0 ? `${(100 * came.clipped).toPrecision(2)} % clipped` : "";
  byId("clipped").classList.toggle("alarm", came.clipped > 0.001);
  byId("mean").textContent = `mean ${(100 * came.mean).toFixed(1)} %`;
  drawHistogram();
  drawTrend(now);
}

// Gives a plot's context with its size in pixels of the screen.
function plot(id) {
  const element = byId(id);
  element.width = Math.round(element.clientWidth * devicePixelRatio);
  element.height = Math.round(element.clientHeight * devicePixelRatio);
  const context = element.getContext("2d");
  context.lineWidth = 1.25 * devicePixelRatio;
  context.lineJoin = "round";
  return { context, width: element.width, height: element.height };
}

function drawHistogram() {
  const { context, width, height } = plot("histogram");
  byId("scale").textContent = /16$/.test(frame.format) ? "65535" : /12$/.test(frame.format) ? "4095" : /10$/.test(frame.format) ? "1023" : "255";
  const curves = measures.grey ? [measures.histogram[0]] : measures.histogram;
  const colours = measures.grey ? ["#c3ccd6"] : ["#ff6369", "#4cc38a", "#6ea8fe"];
  const level = logarithmic ? (count) => Math.log1p(count) : (count) => count;
  // The fullest bins of all are often those at the ends, and would flatten the rest.
  const inner = curves.flatMap((counts) => counts.slice(1, -1));
  const most = level(Math.max(1, ...inner));
  context.globalCompositeOperation = "lighter";
  curves.forEach((counts, index) => {
    context.beginPath();
    context.moveTo(0, height);
    counts.forEach((count, bin) => {
      const y = height - clamp(level(count) / most, 0, 1) * (height - 4);
      context.lineTo((bin / counts.length) * width, y);
      context.lineTo(((bin + 1) / counts.length) * width, y);
    });
    context.lineTo(width, height);
    context.fillStyle = colours[index] + "3a";
    context.fill();
    context.strokeStyle = colours[index] + "99";
    context.stroke();
  });
}

function drawTrend(now) {
  const { context, width, height } = plot("trend");
  const most = Math.max(best, 1e-9) * 1.08;
  const x = (at) => width * (1 - (now - at) / TREND_MS);
  const y = (focus) => height - (focus / most) * (height - 2) - 1;
  context.strokeStyle = "#ffab4066";
  context.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  context.beginPath();
  context.moveTo(0, y(best));
  context.lineTo(width, y(best));
  context.stroke();
  context.setLineDash([]);
  if (!trend.length) return;
  context.beginPath();
  trend.forEach(({ at, focus }, index) => (index ? context.lineTo(x(at), y(focus)) : context.moveTo(x(at), y(focus))));
  context.strokeStyle = "#ffab40";
  context.stroke();
  context.lineTo(x(trend.at(-1).at), height);
  context.lineTo(x(trend[0].at), height);
  context.fillStyle = "#ffab4022";
  context.fill();
}

function setLogarithmic(wanted) {
  logarithmic = wanted;
  byId("log").setAttribute("aria-pressed", wanted);
  store("heliograph-log", wanted ? "1" : "0");
  if (measures) drawHistogram();
}

// ---------------------------------------------------------------- features

const FRONT = ["ExposureAuto", "ExposureTime", "GainAuto", "Gain", "AcquisitionFrameRateEnable", "AcquisitionFrameRate", "PixelFormat"];
const LABELS = {
  ExposureTime: "Exposure", ExposureAuto: "auto", Gain: "Gain", GainAuto: "auto",
  AcquisitionFrameRate: "Frame rate", AcquisitionFrameRateEnable: "limit", PixelFormat: "Pixel format",
};
// What people call the formats with the longest names.
const SHORT = { YCbCr420_8_YY_CbCr_Semiplanar: "NV12", YCbCr420_8_YY_CrCb_Semiplanar: "NV21" };
// What goes into the row of the feature that it makes automatic.
const WITH = { ExposureAuto: "ExposureTime", GainAuto: "Gain", AcquisitionFrameRateEnable: "AcquisitionFrameRate" };
const FRONT_MS = 1000;
const ALL_MS = 4000;
const knobs = new Map(); // by feature name: in the panel, and for those at the front there too

class Knob {
  constructor(feature) {
    this.feature = feature;
    this.faces = [];
    this.sent = false;
    this.waiting = null;
    this.error = "";
  }

  // Gives the row of a new face; one with a host moves in there, and tells its errors there.
  addFace(front, host = null) {
    const face = new Face(this, front);
    this.faces.push(face);
    if (host) {
      face.row.classList.add("guest");
      host.row.insertBefore(face.row, host.row.children[1]);
      face.error.remove();
      face.error = host.row.appendChild(face.error);
    }
    return face.row;
  }

  update(feature) {
    this.feature = feature;
    if (!this.sent && this.waiting === null) this.faces.forEach((face) => face.update());
  }

  // One change is under way at a time; of those made meanwhile the last one counts.
  set(value) {
    if (this.sent) {
      this.waiting = { value };
      return;
    }
    this.sent = say({ type: "set", name: this.feature.name, value });
    this.mark();
  }

  answered(error) {
    this.sent = false;
    this.error = error ?? "";
    const next = this.waiting;
    this.waiting = null;
    if (next) this.set(next.value);
    else say({ type: "features", names: byId("all").open ? null : [...new Set([...FRONT, this.feature.name])].filter((name) => knobs.has(name)) });
    this.mark();
  }

  forget() {
    this.sent = false;
    this.waiting = null;
    this.mark();
  }

  mark() {
    for (const face of this.faces) {
      face.row.classList.toggle("busy", this.sent);
      face.row.classList.toggle("failed", this.error !== "");
      face.error.textContent = this.error;
    }
  }
}

// One place where a feature can be seen and set.
class Face {
  constructor(knob, front) {
    this.knob = knob;
    this.front = front;
    const { name, kind } = knob.feature;
    const id = `${front ? "front" : "feature"}-${name}`;
    const label = make("label", { htmlFor: id, textContent: front ? LABELS[name] ?? name : name, title: knob.feature.description ?? "" });
    const entry = make("span", { className: "entry" });
    this.row = make("div", { className: "knob" }, label, entry);
    this.row.dataset.feature = name;
    this.error = make("p", { className: "error", id: `${id}-error` });
    this.error.setAttribute("role", "alert");
    this.input = this.makeInput(kind, id);
    this.input.setAttribute("aria-describedby", this.error.id);
    entry.append(this.input);
    if (knob.feature.unit) entry.append(make("span", { className: "unit", textContent: knob.feature.unit.replace(/^us$/, "µs") }));
    if (front && ["Float", "Integer"].includes(kind)) this.addSlider(label.textContent);
    if (!front && knob.feature.description) this.row.append(make("p", { className: "about", textContent: knob.feature.description }));
    this.range = make("p", { className: "range" });
    if (!front && ["Float", "Integer"].includes(kind)) this.row.append(this.range);
    this.row.append(this.error);
    this.update();
  }

  makeInput(kind, id) {
    const { knob } = this;
    if (kind === "Command") {
      return make("button", { id, type: "button", textContent: "Run", onclick: () => knob.set(null) });
    }
    if (!knob.feature.writable && !this.front) return make("span", { id, className: "value" });
    if (kind === "Enumeration") return make("select", { id, onchange: (event) => knob.set(event.target.value) });
    if (kind === "Boolean") return make("input", { id, type: "checkbox", onchange: (event) => knob.set(event.target.checked) });
    if (kind === "String") return make("input", { id, type: "text", spellcheck: false, onchange: (event) => knob.set(event.target.value) });
    return make("input", { id, type: "number", step: "any", onchange: (event) => event.target.value !== "" && knob.set(event.target.valueAsNumber) });
  }

  addSlider(label) {
    this.slider = make("input", { type: "range", min: 0, max: 1000, step: 1 });
    this.slider.setAttribute("aria-label", `${label}, coarse`);
    const change = () => {
      const value = this.fromSlider(Number(this.slider.value) / 1000);
      this.input.value = value;
      this.knob.set(value);
    };
    this.slider.addEventListener("input", () => !this.knob.feature.restarts && change());
    this.slider.addEventListener("change", () => this.knob.feature.restarts && change());
    this.row.append(this.slider);
  }

  // Over several decades a slider moves by factors: the short exposures are as easy to meet as the long ones.
  get decades() {
    const { minimum, maximum } = this.knob.feature;
    return minimum > 0 && maximum / minimum > 500;
  }

  fromSlider(share) {
    const { minimum, maximum, kind, increment } = this.knob.feature;
    const value = this.decades ? minimum * (maximum / minimum) ** share : minimum + (maximum - minimum) * share;
    if (kind === "Integer") return minimum + Math.round((value - minimum) / (increment || 1)) * (increment || 1);
    return share <= 0 ? minimum : share >= 1 ? maximum : clamp(Number(value.toPrecision(4)), minimum, maximum);
  }

  toSlider(value) {
    const { minimum, maximum } = this.knob.feature;
    if (!(maximum > minimum)) return 0;
    const share = this.decades ? Math.log(value / minimum) / Math.log(maximum / minimum) : (value - minimum) / (maximum - minimum);
    return Math.round(1000 * clamp(share, 0, 1));
  }

  update() {
    const { feature } = this.knob;
    const { input } = this;
    const off = readOnly || !feature.writable;
    if ("disabled" in input) input.disabled = off;
    if (this.slider) {
      this.slider.disabled = off || feature.minimum === null || feature.maximum === null;
      if (document.activeElement !== this.slider || !this.slider.matches(":active")) this.slider.value = this.toSlider(feature.value);
    }
    const rounded = (feature.range ?? "").replace(/\d+\.\d{4,}/g, (number) => Number(Number(number).toPrecision(6)));
    this.range.textContent = feature.writable ? rounded : "";
    if (document.activeElement === input && input.type !== "checkbox" && input.tagName !== "SELECT") return;
    if (input.tagName === "SELECT") this.fill(input, feature);
    else if (input.type === "checkbox") input.checked = feature.value === true;
    else if (input.tagName === "SPAN") input.textContent = this.rounded(feature.value) ?? "–";
    else if (input.tagName === "INPUT") input.value = this.rounded(feature.value) ?? "";
  }

  rounded(value) {
    return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(7)) : value === null ? null : String(value);
  }

  fill(select, feature) {
    const entries = feature.entries.includes(feature.value) || feature.value === null ? feature.entries : [feature.value, ...feature.entries];
    if (entries.join() !== [...select.options].map((option) => option.value).join()) {
      select.replaceChildren(...entries.map((entry) => make("option", { value: entry, textContent: SHORT[entry] ?? entry })));
    }
    select.value = feature.value ?? "";
  }
}

function featuresCame(features, all) {
  clearTimeout(featuresCame.timer);
  const named = new Map(features.map((feature) => [feature.name, feature]));
  const same = !all || [...named].every(([name, feature]) => knobs.get(name)?.feature.kind === feature.kind);
  if (features.length && all && !(same && named.size === knobs.size)) build(features);
  for (const feature of features) knobs.get(feature.name)?.update(feature);
  const wait = byId("all").open ? ALL_MS : FRONT_MS;
  featuresCame.timer = setTimeout(askFeatures, wait);
}

function askFeatures() {
  if (document.hidden || !knobs.size) featuresCame.timer = setTimeout(askFeatures, FRONT_MS);
  else say({ type: "features", names: byId("all").open ? null : FRONT.filter((name) => knobs.has(name)) });
}

function build(features) {
  knobs.clear();
  for (const feature of features) knobs.set(feature.name, new Knob(feature));
  const front = FRONT.filter((name) => knobs.has(name));
  byId("controls").replaceChildren(...front.filter((name) => !knobs.has(WITH[name])).map((name) => knobs.get(name).addFace(true)));
  for (const name of front.filter((each) => knobs.has(WITH[each]))) knobs.get(name).addFace(true, knobs.get(WITH[name]).faces[0]);
  if (!front.length) byId("controls").append(make("p", { className: "hint", textContent: "this camera has nothing to set here" }));
  const groups = Map.groupBy ? Map.groupBy(features, (feature) => feature.category) : grouped(features);
  byId("features").replaceChildren(...[...groups].map(([category, members]) =>
    make("section", {}, make("h3", { textContent: category || "Others" }), ...members.map(({ name }) => knobs.get(name).addFace(false)))));
  search();
}

function grouped(features) {
  const groups = new Map();
  for (const feature of features) groups.set(feature.category, [...(groups.get(feature.category) ?? []), feature]);
  return groups;
}

function search() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const section of byId("features").children) {
    let any = false;
    for (const row of section.querySelectorAll(".knob")) {
      const { name, description, category } = knobs.get(row.dataset.feature).feature;
      // Anywhere in a name, at the beginning of a word elsewhere: "gain" is not looked for in "again".
      const text = ` ${description} ${category}`.toLowerCase();
      row.hidden = !words.every((word) => name.toLowerCase().includes(word) || text.includes(` ${word}`));
      any ||= !row.hidden;
      found += !row.hidden;
    }
    section.hidden = !any;
  }
  byId("count").textContent = words.length ? `${found} of ${knobs.size}` : knobs.size;
}

// ---------------------------------------------------------------- buttons and keys

byId("pause").onclick = () => setPaused(!paused);
byId("save").onclick = save;
byId("fit").onclick = () => zoomTo(null);
byId("one").onclick = () => zoomTo(1);
byId("region").onclick = () => setDrawing(!drawing);
byId("log").onclick = () => setLogarithmic(!logarithmic);
byId("peak").onclick = () => { best = 0; trend = []; };
byId("keys").onclick = () => byId("help").showModal();
byId("search").oninput = search;
byId("all").ontoggle = () => byId("all").open && say({ type: "features" });
setLogarithmic(logarithmic);

function openSearch() {
  byId("all").open = true;
  byId("search").focus();
  byId("search").scrollIntoView({ block: "nearest" });
}

const focusKnob = (name) => () => byId(`front-${name}`)?.select?.() ?? byId(`front-${name}`)?.focus();
const step = () => 60 * devicePixelRatio;
const KEYS = {
  " ": () => setPaused(!paused), s: save, 0: () => zoomTo(null), 1: () => zoomTo(1),
  "+": () => zoomTo(currentScale() * 1.4), "=": () => zoomTo(currentScale() * 1.4), "-": () => zoomTo(currentScale() / 1.4),
  ArrowLeft: () => move(step(), 0), ArrowRight: () => move(-step(), 0), ArrowUp: () => move(0, step()), ArrowDown: () => move(0, -step()),
  r: () => setDrawing(!drawing), c: () => focusOn(null), l: () => setLogarithmic(!logarithmic),
  e: focusKnob("ExposureTime"), g: focusKnob("Gain"), f: focusKnob("AcquisitionFrameRate"), "/": openSearch, "?": () => byId("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    setDrawing(false);
    document.activeElement.blur();
    return;
  }
  const typing = event.target.closest("input, select, textarea, dialog") || (event.key === " " && event.target.closest("button, summary"));
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

connect();
