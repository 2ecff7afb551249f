// The page of `gateway dev`: sign in, upload, watch what becomes of it, play, delete.

import { Gateway } from "./gateway.js";
import { open, thumbnails } from "./player.js";

const JWT = "filegateway-jwt";
const IDS = "filegateway-ids";
const LOOK_MS = 1000;

const at = (name) => document.getElementById(name);
const remembered = () => JSON.parse(localStorage.getItem(IDS) ?? "[]");
const remember = (ids) => localStorage.setItem(IDS, JSON.stringify(ids));

// The link that `gateway dev` prints has the JWT behind `#`, which no server ever sees.
if (location.hash.length > 1) {
  sessionStorage.setItem(JWT, location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
}
at("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(JWT, at("jwt").value.trim());
  location.reload();
});

const jwt = sessionStorage.getItem(JWT);
at("sign-in").hidden = Boolean(jwt);
at("files").hidden = !jwt;
const gateway = new Gateway(location.origin, jwt);
if (jwt) start();

function start() {
  const drop = at("drop");
  at("choose").addEventListener("change", (event) => {
    take(event.target.files);
  });
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files); });
  for (const id of remembered()) watch(id, card());
  count();
}

function take(files) {
  for (const file of files) upload(file);
}

async function upload(file) {
  const item = card();
  item.name.textContent = file.name;
  item.facts.textContent = bytes(file.size);
  item.status.textContent = "uploading";
  try {
    const id = await gateway.upload(file, (sent) => {
      item.progress.value = file.size ? (100 * sent) / file.size : 100;
    });
    remember([id, ...remembered()]);
    await watch(id, item);
  } catch (error) {
    item.root.remove();
    trouble(`${file.name}: ${error.message}`);
  }
  count();
}

function card() {
  const root = at("file").content.firstElementChild.cloneNode(true);
  at("list").prepend(root);
  const part = (name) => root.querySelector(name);
  count();
  return {
    root,
    name: part(".name"),
    facts: part(".facts"),
    status: part(".status"),
    progress: part("progress"),
    delete: part(".delete"),
    screen: part(".screen"),
    video: part("video"),
    preview: part(".preview"),
    play: part(".play"),
    seek: part(".seek"),
    time: part(".time"),
  };
}

/** Looks at a file until nothing is left to be done to it. */
async function watch(id, item) {
  item.delete.onclick = () => remove(id, item);
  for (;;) {
    let metadata;
    try {
      metadata = await gateway.metadata(id);
    } catch (error) {
      if (error.status === 404) return forget(id, item);
      trouble(error.message);
      if (error.status === 401) return signOut();
      await new Promise((done) => setTimeout(done, 5 * LOOK_MS));
      continue;
    }
    show(metadata, item);
    if (metadata.status !== "processing") {
      if (metadata.content_type.startsWith("video/")) await screen(metadata, item);
      return;
    }
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}

function show(metadata, item) {
  const { media, status } = metadata;
  const facts = [bytes(metadata.size), metadata.content_type];
  if (media?.width) facts.push(`${media.width} × ${media.height}`);
  if (media?.duration) facts.push(clock(media.duration));
  item.root.dataset.status = status;
  item.name.textContent = metadata.name;
  item.facts.textContent = facts.join(", ");
  item.status.textContent = status === "failed" ? `failed: ${metadata.reason}` : status === "ready" ? "" : status;
  item.progress.hidden = status !== "processing";
  item.progress.value = metadata.progress ?? 0;
}

async function screen(metadata, item) {
  const { video, seek, play } = item;
  item.screen.hidden = false;
  await open(video, gateway, metadata);
  const duration = () => (Number.isFinite(video.duration) ? video.duration : metadata.media?.duration ?? 0);
  play.onclick = () => (video.paused ? video.play() : video.pause());
  video.onclick = play.onclick;
  video.onplay = () => { play.textContent = "❚❚"; play.ariaLabel = "Pause"; };
  video.onpause = () => { play.textContent = "▶"; play.ariaLabel = "Play"; };
  video.ontimeupdate = () => {
    seek.value = (1000 * video.currentTime) / (duration() || 1);
    item.time.textContent = `${clock(video.currentTime)} / ${clock(duration())}`;
  };
  seek.oninput = () => { video.currentTime = (seek.value / 1000) * duration(); };
  const pictures = await thumbnails(gateway, metadata);
  seek.onpointermove = (event) => {
    const box = seek.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    const time = share * duration();
    const picture = pictures.find(({ from, to }) => from <= time && time < to) ?? pictures.at(-1);
    item.preview.hidden = !picture;
    if (!picture) return;
    item.preview.style.cssText = `left:${event.clientX - item.screen.getBoundingClientRect().left}px;
      width:${picture.width}px;height:${picture.height}px;
      background-image:url("${picture.sheet}");background-position:${-picture.x}px ${-picture.y}px`;
  };
  seek.onpointerleave = () => { item.preview.hidden = true; };
}

async function remove(id, item) {
  item.video.removeAttribute("src");
  try {
    await gateway.delete(id);
    forget(id, item);
  } catch (error) {
    trouble(error.message);
  }
}

function forget(id, item) {
  remember(remembered().filter((other) => other !== id));
  item.root.remove();
  count();
}

function signOut() {
  sessionStorage.removeItem(JWT);
  at("sign-in").hidden = false;
  at("files").hidden = true;
}

function count() {
  at("nothing").hidden = at("list").childElementCount > 0;
}

function trouble(message) {
  at("trouble").textContent = message;
  at("trouble").hidden = false;
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const step = Math.min(Math.floor(Math.log2(Math.max(count, 1)) / 10), units.length - 1);
  return `${(count / 1024 ** step).toFixed(step ? 1 : 0)} ${units[step]}`;
}

function clock(time) {
  const [minutes, rest] = [Math.floor(time / 60), Math.floor(time % 60)];
  return `${minutes}:${String(rest).padStart(2, "0")}`;
}
