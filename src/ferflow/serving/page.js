"use strict";

const element = (id) => document.getElementById(id);
const [file, drop, video, canvas, stage] = ["file", "drop", "video", "canvas", "stage"].map(element);
const [webcam, shoot, live, explain, whole, unsure] =
  ["webcam", "shoot", "live", "explain", "whole", "unsure"].map(element);

// The picture that is shown, what the service said of it, and the number of the newest question.
let picture = null;
let answer = null;
let newest = 0;
let highlighted = null;
const MILLISECONDS_BETWEEN_FRAMES = 1000;

const percent = (share) => `${Math.round(100 * share)} %`;
const isUnsure = (face) => face.confidence < unsure.value / 100;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function say(text) {
  element("status").textContent = text;
}

function complain(text) {
  element("error").textContent = text;
  element("error").hidden = !text;
}

async function ask(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error("The service does not answer. Is “ferflow app” still running?");
  }
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(content.error || `The service refused with code ${response.status}.`);
  return content;
}

// Show a picture (a Blob) and ask about it; an answer that comes after a newer question is dropped.
async function read(blob) {
  const question = ++newest;
  say("Reading …");
  document.body.setAttribute("aria-busy", "true");
  try {
    const [content, pixels] = await Promise.all([
      ask(`${explain.checked ? "/explain" : "/predict"}${whole.checked ? "?whole=true" : ""}`, {
        method: "POST", body: blob, headers: { "Content-Type": "application/octet-stream" },
      }),
      createImageBitmap(blob).catch(() => null),
    ]);
    if (question !== newest) return;
    picture = { blob, pixels };
    answer = content;
    complain("");
    show();
  } catch (error) {
    if (question !== newest) return;
    picture = { blob, pixels: null };
    answer = null;
    say("No answer.");
    complain(`This picture cannot be read: ${error.message}`);
    show();
  } finally {
    if (question === newest) document.body.removeAttribute("aria-busy");
  }
}

function inWords(face) {
  return isUnsure(face) ? `unsure, most likely ${face.emotion}` : face.emotion;
}

function show() {
  const faces = answer ? answer.faces : [];
  canvas.hidden = !answer;
  stage.hidden = canvas.hidden && video.hidden;
  element("faces").replaceChildren(...faces.map(card));
  if (!answer) return;
  draw();
  const found = faces.length === 1 ? "1 face" : `${faces.length || "No"} faces`;
  const list = faces.map((face, index) => `${index + 1}: ${inWords(face)}`).join("; ");
  const text = faces.length ? `${found} found. ${list}.` : "No face found.";
  say(text);
  canvas.setAttribute("aria-label", `The picture. ${text}`);
}

function draw() {
  const context = canvas.getContext("2d");
  // Small pictures are enlarged, so that the lines and numbers fit.
  const factor = Math.max(1, Math.min(4, 480 / Math.max(answer.width, answer.height)));
  canvas.width = Math.round(answer.width * factor);
  canvas.height = Math.round(answer.height * factor);
  context.fillStyle = colour("--line");
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (picture.pixels) context.drawImage(picture.pixels, 0, 0, canvas.width, canvas.height);
  const line = Math.max(2, Math.round(Math.max(canvas.width, canvas.height) / 300));
  answer.faces.forEach((face, index) => {
    const [left, top, width, height] = face.box.map((value) => value * factor);
    const isHot = index === highlighted;
    for (const [style, extra] of [["rgba(20, 24, 32, .8)", 2], [isUnsure(face) ? "#f0b44c" : "#6db3ff", 0]]) {
      context.strokeStyle = style;
      context.lineWidth = (isHot ? 2 : 1) * line + extra;
      context.strokeRect(left, top, width, height);
    }
    label(context, String(index + 1), Math.max(0, left), Math.max(0, top), 7 * line);
  });
}

function label(context, text, left, top, size) {
  context.font = `700 ${size}px system-ui, "DejaVu Sans", sans-serif`;
  const width = context.measureText(text).width + size * 0.7;
  context.fillStyle = "rgba(20, 24, 32, .85)";
  context.fillRect(left, top, width, size * 1.35);
  context.fillStyle = "#ffffff";
  context.textBaseline = "middle";
  context.fillText(text, left + size * 0.35, top + size * 0.72);
}

function card(face, index) {
  const made = element("card").content.cloneNode(true).firstElementChild;
  made.classList.toggle("unsure", isUnsure(face));
  made.querySelector("h2").textContent = `Face ${index + 1}: ${isUnsure(face) ? "unsure" : face.emotion}`;
  const likely = isUnsure(face) ? `most likely ${face.emotion}, ` : "";
  const tiny = face.is_tiny ? "; the face is so small that this is hardly more than a guess" : "";
  made.querySelector(".sure").textContent = `${likely}confidence ${percent(face.confidence)}${tiny}`;
  made.querySelector("tbody").replaceChildren(
    ...Object.entries(face.probabilities).map(([emotion, share]) => bar(emotion, share, face.emotion)),
  );
  if (face.overlay) {
    made.querySelector("figure").hidden = false;
    const image = made.querySelector("img");
    image.src = `data:image/png;base64,${face.overlay}`;
    image.alt = `Face ${index + 1} with the places that speak for ${face.emotion} lit up`;
  }
  for (const [event, value] of [["mouseenter", index], ["focus", index], ["mouseleave", null], ["blur", null]]) {
    made.addEventListener(event, () => { highlighted = value; if (answer) draw(); });
  }
  return made;
}

function bar(emotion, share, top) {
  const row = document.createElement("tr");
  row.classList.toggle("top", emotion === top);
  row.dataset.emotion = emotion;
  row.dataset.probability = share;
  const head = Object.assign(document.createElement("th"), { scope: "row", textContent: emotion });
  const [middle, end] = [document.createElement("td"), document.createElement("td")];
  middle.className = "bar";
  middle.append(document.createElement("span"));
  middle.firstChild.style.width = `${100 * share}%`;
  end.className = "percent";
  end.textContent = percent(share);
  row.append(head, middle, end);
  return row;
}

function choose(files) {
  if (!files || !files.length) return;
  stopWebcam();
  read(files[0]);
}

async function startWebcam() {
  complain("");
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } }, audio: false });
    await video.play();
  } catch (error) {
    const cures = {
      NotAllowedError: "the browser was not allowed to use it; allow the camera for this page",
      NotFoundError: "there is none",
      NotReadableError: "another program uses it",
    };
    const reason = navigator.mediaDevices
      ? cures[error.name] || error.message
      : "browsers allow it on this machine's own address and over HTTPS only";
    complain(`The webcam cannot be used: ${reason}.`);
    return;
  }
  setWebcam(true);
}

function stopWebcam() {
  if (!video.srcObject) return;
  video.srcObject.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  setWebcam(false);
}

function setWebcam(isOn) {
  video.hidden = !isOn;
  stage.hidden = canvas.hidden && video.hidden;
  shoot.disabled = live.disabled = !isOn;
  if (!isOn) live.checked = false;
  webcam.setAttribute("aria-pressed", String(isOn));
  webcam.textContent = isOn ? "Stop the webcam" : "Start the webcam";
}

async function readFrame() {
  if (!video.srcObject || !video.videoWidth) return;
  const frame = document.createElement("canvas");
  [frame.width, frame.height] = [video.videoWidth, video.videoHeight];
  frame.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((done) => frame.toBlob(done, "image/jpeg", 0.92));
  if (blob) await read(blob);
}

async function readFrames() {
  while (live.checked && video.srcObject) {
    const pause = new Promise((done) => setTimeout(done, MILLISECONDS_BETWEEN_FRAMES));
    await readFrame();
    await pause;
  }
}

function again() {
  if (picture) read(picture.blob);
}

async function introduce() {
  try {
    const model = await ask("/model");
    const isBuiltIn = model.source === "built-in";
    const version = model.version ? `version ${model.version}` : isBuiltIn ? "the built-in network" : "not registered";
    const answering = `Answered by ${model.name}, ${version} (sha256 ${model.model_sha256.slice(0, 12)})`;
    element("model").textContent = model.warning ? `${answering}. Warning: ${model.warning}.` : answering;
  } catch (error) {
    element("model").textContent = error.message;
  }
}

file.addEventListener("change", () => { choose(file.files); file.value = ""; });
webcam.addEventListener("click", () => (video.srcObject ? stopWebcam() : startWebcam()));
shoot.addEventListener("click", readFrame);
live.addEventListener("change", readFrames);
explain.addEventListener("change", again);
whole.addEventListener("change", again);
unsure.addEventListener("input", () => {
  element("unsure-value").textContent = `${unsure.value} %`;
  if (answer) show();
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name === "drop") choose(event.dataTransfer.files);
  });
}
introduce();
