"use strict";
const $ = (id) => document.getElementById(id);
const canvas = $("canvas"), context = canvas.getContext("2d");
const longestShown = 1024;  // pixels of the labels that the page asks for

let image = null;   // {file, bitmap, id, height, width} of the image shown
let result = null;    // the server's answer for it, with labels as a Uint8Array
let highlighted = -1; // the class the pointer is on in the legend
let newest = 0;       // number of the newest request; older answers are dropped
let timer = 0;

function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer: is pixelclip serve still running?");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw Object.assign(new Error(body.error || `The server answered ${response.status}.`), {code: body.code});
  }
  return body;
}

const post = (path, body) =>
  ask(path, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});

function words() {
  const text = $("names").value;
  const names = text.split(text.includes(";") ? ";" : /(?<!\\),|\n/);
  return [...new Set(names.map((name) => name.split(/(?<!\\),/).map((part) => part.trim()).filter(Boolean).join(", ")))].filter(Boolean);
}

function query(extra) {
  return {image: image.id, names: words(), background: $("rest").checked ? Number($("threshold").value) : null, ...extra};
}

async function show(file) {
  if (!file) return;
  say("");
  $("busy").hidden = false;
  try {
    const bitmap = await createImageBitmap(file).catch(() => {
      throw new Error(`${file.name || "This"} is not an image that the browser can show.`);
    });
    const sent = await ask("api/images", {method: "POST", body: file});
    image = {file, bitmap, id: sent.image, height: sent.height, width: sent.width};
    $("drop").hidden = true;
    canvas.hidden = false;
    $("downloads").hidden = false;
    clear();
    await update();
  } catch (error) {
    say(error.message);
  } finally {
    $("busy").hidden = true;
  }
}

/** Runs `request`; sends the image again if the server no longer keeps it. */
async function withImage(request) {
  try {
    return await request();
  } catch (error) {
    if (error.code !== "unknown_image") throw error;
    image.id = (await ask("api/images", {method: "POST", body: image.file})).image;
    return request();
  }
}

/** The image alone, without labels. */
function clear() {
  result = null;
  highlighted = -1;
  $("legend").replaceChildren();
  $("timing").textContent = "";
  say("");
  draw();
}

async function update() {
  $("point").hidden = true;
  if (!image) return;
  const mine = ++newest;
  if (words().length === 0) return clear();
  try {
    const start = performance.now();
    const answer = await withImage(() => post("api/segment", query({max_side: longestShown})));
    const labels = await decodeLabels(answer);
    if (mine !== newest) return;
    result = {...answer, labels};
    say("");
    $("timing").textContent = `Words found in ${Math.round(answer.milliseconds)} ms, shown after ${Math.round(performance.now() - start)} ms.`;
    drawLegend();
    draw();
  } catch (error) {
    if (mine === newest) say(error.message);
  }
}

async function decodeLabels(answer) {
  const png = new Image();
  png.src = answer.labels;
  await png.decode();
  const page = new OffscreenCanvas(answer.width, answer.height).getContext("2d", {willReadFrequently: true});
  page.drawImage(png, 0, 0);
  const pixels = page.getImageData(0, 0, answer.width, answer.height).data;
  return Uint8Array.from({length: answer.width * answer.height}, (_, i) => pixels[4 * i]);
}

const rgb = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

/** The colored labels with a white line where two meet. */
function coloredLabels(opacity) {
  const {width, height, labels} = result;
  const colors = [];
  for (const entry of result.classes) {
    const faint = highlighted >= 0 && highlighted !== entry.id ? 0.15 : 1;
    colors[entry.id] = [...rgb(entry.color), 255 * opacity * faint];
  }
  const pixels = new ImageData(width, height);
  for (let y = 0, i = 0; y < height; ++y) {
    for (let x = 0; x < width; ++x, ++i) {
      const edge = (x + 1 < width && labels[i + 1] !== labels[i]) || (y + 1 < height && labels[i + width] !== labels[i]);
      pixels.data.set(edge ? [255, 255, 255, 255 * Math.min(1, 1.5 * opacity)] : colors[labels[i]], 4 * i);
    }
  }
  const layer = new OffscreenCanvas(width, height);
  layer.getContext("2d").putImageData(pixels, 0, 0);
  return layer;
}

function draw() {
  if (!image) return;
  const longest = Math.max(image.width, image.height);
  const scale = Math.min(1600, Math.max(1000, longest)) / longest;
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  const opacity = result ? Number($("opacity").value) : 0;
  context.filter = `grayscale(${Math.min(1, 2 * opacity)})`;  // the image's own colors would change the labels'
  context.drawImage(image.bitmap, 0, 0, canvas.width, canvas.height);
  context.filter = "none";
  if (result) context.drawImage(coloredLabels(opacity), 0, 0, canvas.width, canvas.height);
}

function element(tag, text, parent) {
  const made = document.createElement(tag);
  made.textContent = text;
  parent.append(made);
  return made;
}

const percent = (share) => (share < 0.01 ? "<1 %" : `${Math.round(100 * share)} %`);

function bar(parent, share, color) {
  const line = element("i", "", parent);
  line.style.background = color;
  line.style.width = `${Math.max(1, 100 * share)}%`;
}

function drawLegend() {
  const legend = $("legend");
  legend.replaceChildren();
  const found = [...result.classes].sort((a, b) => b.area - a.area);
  for (const entry of found) {
    const line = element("li", "", legend);
    element("b", "", line).style.background = entry.color;
    element("span", entry.name, line).title = entry.name;
    element("small", `${percent(entry.share)} · ${entry.score.toFixed(3)}`, line).title = "share of the image · mean cosine";
    bar(line, entry.share, entry.color);
    line.addEventListener("pointerenter", () => { highlighted = entry.id; draw(); });
    line.addEventListener("pointerleave", () => { highlighted = -1; draw(); });
  }
  const seen = new Set(found.map((entry) => entry.name));
  for (const name of result.names.filter((word) => !seen.has(word))) {
    const line = element("li", "", legend);
    line.className = "absent";
    element("b", "", line);
    element("span", name, line).title = name;
    element("small", "not found", line);
  }
}

async function showPoint(clientX, clientY) {
  if (!result) return;
  const box = canvas.getBoundingClientRect();
  const place = (at, start, size, pixels) => Math.min(pixels - 1, Math.max(0, Math.floor(((at - start) / size) * pixels)));
  const x = place(clientX, box.left, box.width, image.width), y = place(clientY, box.top, box.height, image.height);
  try {
    const {scores} = await withImage(() => post("api/point", query({x, y})));
    const card = $("point"), stage = $("stage").getBoundingClientRect();
    card.replaceChildren();
    const best = Math.max(scores[0].score, 1e-6), least = Math.min(0, scores.at(-1).score);
    for (const entry of scores.slice(0, 8)) {
      const line = element("div", "", card);
      element("span", entry.name, line);
      element("span", entry.score.toFixed(3), line);
      const color = result.classes.find((known) => known.id === entry.id)?.color;
      bar(line, (entry.score - least) / (best - least), color || "var(--line)");
    }
    card.hidden = false;
    card.style.left = `${Math.max(8, Math.min(clientX - stage.left + 12, stage.width - card.offsetWidth - 8))}px`;
    card.style.top = `${Math.max(8, Math.min(clientY - stage.top + 12, stage.height - card.offsetHeight - 8))}px`;
  } catch (error) {
    say(error.message);
  }
}

function save(url, ending) {
  const link = document.createElement("a");
  link.href = url;
  link.download = (image.file.name || "image").replace(/\.[^.]*$/, "") + ending;
  link.click();
}

/** The canvas with the legend below it. */
function overlayPage() {
  const line = 30, found = [...result.classes].sort((a, b) => b.area - a.area);
  const page = document.createElement("canvas"), pen = page.getContext("2d");
  pen.font = "16px sans-serif";
  const step = Math.max(...found.map((entry) => pen.measureText(entry.name).width)) + 110;
  page.width = Math.max(canvas.width, 360);
  const columns = Math.max(1, Math.floor((page.width - 24) / step));
  page.height = canvas.height + Math.ceil(found.length / columns) * line + 24;
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, page.width, page.height);
  pen.drawImage(canvas, 0, 0);
  pen.font = "16px sans-serif";
  pen.textBaseline = "middle";
  found.forEach((entry, i) => {
    const x = 12 + (i % columns) * step, y = canvas.height + 12 + Math.floor(i / columns) * line + line / 2;
    pen.fillStyle = entry.color;
    pen.fillRect(x, y - 9, 18, 18);
    pen.fillStyle = "#222";
    pen.fillText(`${entry.name}  ${percent(entry.share)}`, x + 26, y + 1);
  });
  return page.toDataURL("image/png");
}

async function download(what) {
  if (!result) return;
  try {
    if (what === "overlay") return save(overlayPage(), "_overlay.png");
    const full = await withImage(() => post("api/segment", query({rle: true})));
    if (what === "labels") return save(full.labels, "_labels.png");
    delete full.labels;
    delete full.milliseconds;
    save(URL.createObjectURL(new Blob([JSON.stringify(full, null, 1)], {type: "application/json"})), ".json");
  } catch (error) {
    say(error.message);
  }
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(update, 150);
}

$("file").addEventListener("change", (event) => { show(event.target.files[0]); event.target.value = ""; });
$("names").addEventListener("input", soon);
$("rest").addEventListener("change", () => { $("threshold").disabled = !$("rest").checked; update(); });
$("threshold").addEventListener("input", () => { $("threshold-value").textContent = Number($("threshold").value).toFixed(3); soon(); });
$("opacity").addEventListener("input", () => { $("opacity-value").textContent = `${Math.round(100 * $("opacity").value)} %`; draw(); });
canvas.addEventListener("click", (event) => showPoint(event.clientX, event.clientY));
canvas.addEventListener("keydown", (event) => {
  const box = canvas.getBoundingClientRect();
  if (event.key === "Enter") showPoint(box.left + box.width / 2, box.top + box.height / 2);
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") $("point").hidden = true; });
document.addEventListener("paste", (event) => show([...event.clipboardData.files][0]));
document.addEventListener("dragover", (event) => { event.preventDefault(); $("stage").classList.add("over"); });
document.addEventListener("dragleave", () => $("stage").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("stage").classList.remove("over");
  show(event.dataTransfer.files[0]);
});
for (const button of document.querySelectorAll("[data-download]")) {
  button.addEventListener("click", () => download(button.dataset.download));
}

ask("api/model").then((model) => {
  $("model").textContent = model.description;
  if (!$("names").value) $("names").value = model.first_names;
}).catch((error) => say(error.message));
