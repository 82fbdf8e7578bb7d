// The camera's part of the page. Gradio runs this, after emotion_chart.js, with `element`, which holds
// templates/camera.html; `props.value`, the session id of this browser tab and the network that the user chose; and
// `server`, whose functions run in Python. One frame is in flight at a time, so a slow connection lowers the frame rate
// but does not delay the frames.
const MAX_WIDTH = 640; // pixels of the frames that are sent; faces are detected at this width
const MIN_FRAME_INTERVAL_MS = 40;
const MAX_FAILURES = 3; // consecutive frames without a response; one more stops the camera
const RETRY_DELAY_MS = 500;
const ANNOUNCEMENT_INTERVAL_MS = 2500; // the minimum between two texts for screen readers
const FRAME_RATE_WINDOW_MS = 2000;
const DOWNLOAD_TIMEOUT_MS = 60000; // after which the browser must have stored a download
const LATENCY_WINDOW = 20; // frames, of the median latency
const NO_RESPONSE = "The server does not respond. Check that Webcam_page.py is still running.";
const FRONT_CAMERA = "user"; // shown mirrored, as people are used to; the rear camera is not

const find = (selector) => element.querySelector(selector);
const stage = find(".stage"), video = find("video"), canvas = find("canvas"), alertBox = find(".alert");
const label = find(".label"), dot = find(".dot"), announcement = find(".announcement"), latency = find(".latency");
const startButton = find(".start"), stopButton = find(".stop");
const switchButton = find(".switch-camera"), csvButton = find(".download-csv"), snapshotButton = find(".snapshot");
const bars = [...element.querySelectorAll(".bars li")];
const emotions = bars.map((bar) => bar.firstElementChild.textContent);
const frameCanvas = document.createElement("canvas");
const chart = createEmotionChart(find(".chart svg"), bars.map((bar) => bar.style.getPropertyValue("--color")));

let stream = null, facingMode = FRONT_CAMERA, runId = 0; // a new run id ends the loop of the run before
let startedAt = 0;
let announcedText = "", announcedAt = 0;
let latencies = [], responseTimes = [], failureCount = 0;

watch("value", () => { // the session id arrives shortly after the page, and again with another network
  startButton.disabled = !props.value;
  restartChart();
});
startButton.addEventListener("click", startCamera);
stopButton.addEventListener("click", () => { stopCamera(""); startButton.focus(); });
switchButton.addEventListener("click", () => {
  facingMode = facingMode === FRONT_CAMERA ? "environment" : FRONT_CAMERA;
  startCamera();
});
csvButton.addEventListener("click", downloadCsv);
snapshotButton.addEventListener("click", savePicture);

async function startCamera() {
  stopCamera("");
  if (!navigator.mediaDevices) {
    stopCamera("A browser allows the camera only for pages of the same machine (http://127.0.0.1) or over https; see " +
      "docs/web_page.md. Images and videos work without it.");
    return;
  }
  stage.dataset.state = "starting";
  startButton.disabled = true;
  const currentRun = ++runId;
  try {
    const constraints = { width: { ideal: MAX_WIDTH }, height: { ideal: 480 }, facingMode };
    const newStream = await navigator.mediaDevices.getUserMedia({ video: constraints, audio: false });
    if (currentRun !== runId) { newStream.getTracks().forEach((track) => track.stop()); return; }
    stream = newStream;
    stream.getVideoTracks()[0].addEventListener("ended", () => stopCamera("The camera was disconnected."));
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    if (currentRun === runId) stopCamera(explainCameraError(error));
    return;
  }
  stage.dataset.state = "on";
  stage.classList.toggle("mirrored", facingMode === FRONT_CAMERA);
  stopButton.disabled = csvButton.disabled = snapshotButton.disabled = false;
  restartChart();
  stopButton.focus({ preventScroll: true });
  recognizeFrames(currentRun);
  const devices = await navigator.mediaDevices.enumerateDevices();
  switchButton.hidden = devices.filter((device) => device.kind === "videoinput").length < 2;
}

function stopCamera(message) {
  runId += 1;
  if (stream) stream.getTracks().forEach((track) => track.stop());
  stream = video.srcObject = null;
  stage.dataset.state = "off";
  startButton.disabled = false;
  stopButton.disabled = snapshotButton.disabled = true;
  alertBox.textContent = message;
  alertBox.hidden = !message;
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  showProbabilities([]);
  label.textContent = "No face yet";
  latency.textContent = "\u00a0";
  latencies = [];
  responseTimes = [];
  failureCount = 0;
}

function explainCameraError(error) {
  if (error.name === "NotAllowedError") return "The camera is blocked. Allow it next to the page's address and start it again.";
  if (error.name === "NotFoundError") return "No camera found. Images and videos work without one.";
  if (error.name === "NotReadableError") return "Another program is using the camera. Close that program and start the camera again.";
  return `The camera cannot be started (${error.message}).`;
}

async function recognizeFrames(currentRun) {
  while (currentRun === runId) {
    const sentAt = performance.now();
    // If the server cannot be reached, Gradio returns nothing or throws an error.
    const message = { ...props.value, frame: captureFrame() };
    const response = await server.recognize_frame(message).catch(() => null);
    if (currentRun !== runId) return;
    failureCount = response ? 0 : failureCount + 1;
    if (failureCount > MAX_FAILURES) { stopCamera(NO_RESPONSE); return; }
    if (!response) {
      latency.textContent = "No response; trying again.";
      await sleep(RETRY_DELAY_MS);
    } else if (response.error) {
      if (response.is_fatal) { stopCamera(response.error); return; }
      latency.textContent = response.error;
    } else {
      drawFaces(response);
      showProbabilities(response.faces);
      if (response.faces.length) chart.add((sentAt - startedAt) / 1000, response.faces[0].probabilities);
      showLatency(sentAt);
    }
    await sleep(Math.max(0, MIN_FRAME_INTERVAL_MS - (performance.now() - sentAt)));
    await new Promise(requestAnimationFrame); // does not fire in a hidden tab, which therefore sends nothing
  }
}

function captureFrame() {
  const scale = Math.min(1, MAX_WIDTH / Math.max(video.videoWidth, video.videoHeight));
  frameCanvas.width = Math.round(video.videoWidth * scale);
  frameCanvas.height = Math.round(video.videoHeight * scale);
  frameCanvas.getContext("2d").drawImage(video, 0, 0, frameCanvas.width, frameCanvas.height);
  return frameCanvas.toDataURL("image/jpeg", 0.85);
}

// Boxes and labels are drawn in device pixels: they are sharp even if the frames are small.
function drawFaces(response) {
  const rect = video.getBoundingClientRect(), pixelRatio = window.devicePixelRatio || 1;
  canvas.width = rect.width * pixelRatio;
  canvas.height = rect.height * pixelRatio;
  const context = canvas.getContext("2d"), scale = rect.width / response.width;
  const isMirrored = facingMode === FRONT_CAMERA;
  context.scale(pixelRatio, pixelRatio);
  for (const face of [...response.faces].reverse()) {
    const centerX = isMirrored ? response.width - face.center[0] : face.center[0];
    const x = centerX * scale, y = face.center[1] * scale;
    const width = face.size[0] * scale, height = face.size[1] * scale;
    context.save();
    context.translate(x, y);
    context.rotate(((isMirrored ? -face.roll : face.roll) * Math.PI) / 180);
    context.strokeStyle = face.color;
    context.lineWidth = 3;
    context.beginPath();
    context.roundRect(-width / 2, -height / 2, width, height, 12);
    context.stroke();
    context.restore();
    drawLabel(context, face, Math.max(4, x - width / 2), Math.max(4, y - height / 2 - 34), rect.width);
  }
}

function drawLabel(context, face, left, top, maxRight) {
  const text = `${face.emotion} ${formatPercent(Math.max(...face.probabilities))}`;
  context.font = "600 16px system-ui, sans-serif";
  const width = context.measureText(text).width + 20;
  left = Math.min(left, maxRight - width - 4);
  context.fillStyle = face.color;
  context.beginPath();
  context.roundRect(left, top, width, 28, 8);
  context.fill();
  context.fillStyle = face.text_color;
  context.textBaseline = "middle";
  context.fillText(text, left + 10, top + 15);
}

// The bars beside the image show the largest face, which comes first.
function showProbabilities(faces) {
  const [largest] = faces;
  const suffix = faces.length > 1 ? `, and ${faces.length - 1} more` : "";
  label.textContent = largest ? largest.emotion + suffix : "No face";
  dot.style.background = largest ? largest.color : "";
  bars.forEach((bar, index) => {
    const probability = largest ? largest.probabilities[index] : 0;
    bar.style.setProperty("--probability", probability);
    bar.lastElementChild.textContent = formatPercent(probability);
    bar.classList.toggle("predicted", Boolean(largest) && emotions[index] === largest.emotion);
  });
  // Screen readers announce changes, but no more often than users can listen to.
  const canAnnounce = performance.now() - announcedAt > ANNOUNCEMENT_INTERVAL_MS;
  if (stream && label.textContent !== announcedText && canAnnounce) {
    announcement.textContent = announcedText = label.textContent;
    announcedAt = performance.now();
  }
}

function showLatency(sentAt) {
  const now = performance.now();
  latencies = [...latencies.slice(1 - LATENCY_WINDOW), now - sentAt];
  responseTimes = [...responseTimes.filter((time) => now - time < FRAME_RATE_WINDOW_MS), now];
  const median = [...latencies].sort((a, b) => a - b)[latencies.length >> 1];
  const frameCount = responseTimes.length - 1;
  const frameRate = frameCount > 0 ? (frameCount * 1000) / (now - responseTimes[0]) : 0;
  latency.textContent = `${Math.round(median)} ms from frame to label, ${Math.round(frameRate)} frames per second`;
}

async function downloadCsv() {
  const table = await server.export_csv(props.value).catch(() => null);
  if (!table) { stopCamera(NO_RESPONSE); return; }
  download(new Blob([table], { type: "text/csv" }), "camera.csv");
}

// Saves what the user sees: the camera's image, mirrored or not, with the faces that are marked on it.
function savePicture() {
  const picture = document.createElement("canvas");
  picture.width = canvas.width || video.videoWidth;
  picture.height = canvas.height || video.videoHeight;
  const context = picture.getContext("2d");
  context.save();
  if (stage.classList.contains("mirrored")) { context.translate(picture.width, 0); context.scale(-1, 1); }
  context.drawImage(video, 0, 0, picture.width, picture.height);
  context.restore();
  if (canvas.width) context.drawImage(canvas, 0, 0);
  picture.toBlob((image) => download(image, "camera.jpg"), "image/jpeg", 0.92);
}

function download(content, fileName) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_TIMEOUT_MS);
}

function restartChart() {
  startedAt = performance.now();
  chart.clear();
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function formatPercent(probability) {
  return `${Math.round(probability * 100)}%`;
}
