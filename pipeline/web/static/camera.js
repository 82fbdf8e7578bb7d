// The camera's part of the page. Gradio runs this with `element`, which holds page.html; `props.value`, this tab's name;
// and `server`, whose functions answer from Python. One frame is on its way at a time, so a slow line shows fewer
// frames and none late.
const WIDEST = 640; // pixels of what is sent, as wide as faces are looked for
const QUICKEST = 40; // milliseconds from frame to frame
const PATIENCE = 3; // frames without an answer, one after the other, after which the camera is let go
const SILENT = "The machine behind this page does not answer. Does Webcam_page.py still run there?";
const MIRRORED = "user"; // people know themselves from the mirror; a camera at the back shows things as they are

const find = (selector) => element.querySelector(selector);
const stage = find(".stage"), video = find("video"), canvas = find("canvas"), alarm = find(".sentence");
const label = find(".label"), dot = find(".dot"), spoken = find(".spoken"), latency = find(".latency");
const start = find(".start"), stop = find(".stop"), turn = find(".turn"), csv = find(".csv");
const lines = [...element.querySelectorAll(".bars li")];
const names = lines.map((line) => line.firstElementChild.textContent);
const sent = document.createElement("canvas");

let stream = null, facing = MIRRORED, run = 0, told = "", toldAt = 0, delays = [], frames = [], unanswered = 0;

watch("value", () => { start.disabled = !props.value; }); // the name comes a moment after the page
start.addEventListener("click", () => open());
stop.addEventListener("click", () => { close(""); start.focus(); });
turn.addEventListener("click", () => { facing = facing === MIRRORED ? "environment" : MIRRORED; open(); });
csv.addEventListener("click", download);

async function open() {
  close("");
  if (!navigator.mediaDevices) {
    close("A browser lends its camera only to pages of its own machine (http://127.0.0.1) or over https. " +
      "The README says how; pictures and videos work all the same.");
    return;
  }
  stage.dataset.state = "starting";
  start.disabled = true;
  const mine = ++run;
  try {
    const wanted = { width: { ideal: WIDEST }, height: { ideal: 480 }, facingMode: facing };
    const opened = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    if (mine !== run) { opened.getTracks().forEach((track) => track.stop()); return; }
    stream = opened;
    stream.getVideoTracks()[0].addEventListener("ended", () => close("The camera was taken away."));
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    if (mine === run) close(sentenceOf(error));
    return;
  }
  stage.dataset.state = "on";
  stage.classList.toggle("mirrored", facing === MIRRORED);
  stop.disabled = csv.disabled = false;
  stop.focus({ preventScroll: true });
  follow(mine);
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
  turn.hidden = cameras.length < 2;
}

function close(sentence) {
  run += 1;
  if (stream) stream.getTracks().forEach((track) => track.stop());
  stream = video.srcObject = null;
  stage.dataset.state = "off";
  start.disabled = false;
  stop.disabled = true;
  alarm.textContent = sentence;
  alarm.hidden = !sentence;
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  show([]);
  label.textContent = "No face yet";
  latency.textContent = "\u00a0";
  delays = [];
  frames = [];
  unanswered = 0;
}

function sentenceOf(error) {
  if (error.name === "NotAllowedError") return "The camera was not allowed. Allow it beside the page's address, and start again.";
  if (error.name === "NotFoundError") return "There is no camera here. Pictures and videos work all the same.";
  if (error.name === "NotReadableError") return "The camera is used by another program. Close that, and start again.";
  return `The camera does not start (${error.message}).`;
}

async function follow(mine) {
  while (mine === run) {
    const taken = performance.now();
    // Of a server that is out of reach Gradio gives nothing back, or an error.
    const seen = await server.look({ visitor: props.value, picture: grabbed() }).catch(() => null);
    if (mine !== run) return;
    unanswered = seen ? 0 : unanswered + 1;
    if (unanswered > PATIENCE) { close(SILENT); return; }
    if (!seen) {
      latency.textContent = "No answer; trying again.";
      await new Promise((done) => setTimeout(done, 500));
    } else if (seen.error) {
      if (seen.stop) { close(seen.error); return; }
      latency.textContent = seen.error;
    } else {
      draw(seen);
      show(seen.faces);
      measure(taken);
    }
    await new Promise((done) => setTimeout(done, Math.max(0, QUICKEST - (performance.now() - taken))));
    await new Promise(requestAnimationFrame); // none comes while the tab is hidden, so nothing is sent then
  }
}

function grabbed() {
  const scale = Math.min(1, WIDEST / Math.max(video.videoWidth, video.videoHeight));
  sent.width = Math.round(video.videoWidth * scale);
  sent.height = Math.round(video.videoHeight * scale);
  sent.getContext("2d").drawImage(video, 0, 0, sent.width, sent.height);
  return sent.toDataURL("image/jpeg", 0.85);
}

// Boxes and labels are drawn in the screen's own pixels, so that they are sharp however small the frames are.
function draw(seen) {
  const shown = video.getBoundingClientRect(), sharp = window.devicePixelRatio || 1;
  canvas.width = shown.width * sharp;
  canvas.height = shown.height * sharp;
  const pen = canvas.getContext("2d"), scale = shown.width / seen.width;
  const flipped = facing === MIRRORED;
  pen.scale(sharp, sharp);
  for (const face of [...seen.faces].reverse()) {
    const x = (flipped ? seen.width - face.center[0] : face.center[0]) * scale, y = face.center[1] * scale;
    const width = face.size[0] * scale, height = face.size[1] * scale;
    pen.save();
    pen.translate(x, y);
    pen.rotate(((flipped ? -face.roll : face.roll) * Math.PI) / 180);
    pen.strokeStyle = face.color;
    pen.lineWidth = 3;
    pen.beginPath();
    pen.roundRect(-width / 2, -height / 2, width, height, 12);
    pen.stroke();
    pen.restore();
    chip(pen, face, Math.max(4, x - width / 2), Math.max(4, y - height / 2 - 34), shown.width);
  }
}

function chip(pen, face, left, top, right) {
  const text = `${face.emotion} ${percent(Math.max(...face.shares))}`;
  pen.font = "600 16px system-ui, sans-serif";
  const width = pen.measureText(text).width + 20;
  left = Math.min(left, right - width - 4);
  pen.fillStyle = face.color;
  pen.beginPath();
  pen.roundRect(left, top, width, 28, 8);
  pen.fill();
  pen.fillStyle = face.ink;
  pen.textBaseline = "middle";
  pen.fillText(text, left + 10, top + 15);
}

// Beside the picture stands the nearest face: the largest.
function show(faces) {
  const [nearest] = faces;
  const others = faces.length > 1 ? `, and ${faces.length - 1} more` : "";
  label.textContent = nearest ? nearest.emotion + others : "No face";
  dot.style.background = nearest ? nearest.color : "";
  lines.forEach((line, place) => {
    const share = nearest ? nearest.shares[place] : 0;
    line.style.setProperty("--share", share);
    line.lastElementChild.textContent = percent(share);
    line.classList.toggle("most", Boolean(nearest) && names[place] === nearest.emotion);
  });
  // A screen reader says it when it has changed, and not oftener than it can be listened to.
  if (stream && label.textContent !== told && performance.now() - toldAt > 2500) {
    spoken.textContent = told = label.textContent;
    toldAt = performance.now();
  }
}

function measure(taken) {
  const now = performance.now();
  delays = [...delays.slice(-19), now - taken];
  frames = [...frames.filter((frame) => now - frame < 2000), now];
  const delay = [...delays].sort((one, other) => one - other)[delays.length >> 1];
  const rate = frames.length > 1 ? ((frames.length - 1) * 1000) / (now - frames[0]) : 0;
  latency.textContent = `${Math.round(delay)} ms from frame to label, ${Math.round(rate)} frames a second`;
}

async function download() {
  const table = await server.table({ visitor: props.value }).catch(() => null);
  if (!table) { close(SILENT); return; }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([table], { type: "text/csv" }));
  link.download = "camera.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}

function percent(share) {
  return `${Math.round(share * 100)}%`;
}
