// Plays a video of the gateway in a <video>, for as long as it lasts.

const HLS = "application/vnd.apple.mpegurl";

/**
 * Opens a file in `video`: the HLS ladder where the browser plays it by itself, else the one MP4 that
 * every browser plays. A file token ends after five minutes. The browser then goes on with the cookie
 * that the first answer set; where it does not travel, the film is opened anew with a fresh token, at
 * the place where it was.
 */
export async function open(video, gateway, metadata) {
  const ladder = metadata.outputs.find((output) => output.endsWith(".m3u8"));
  const output = ladder && video.canPlayType(HLS) ? ladder : undefined;
  let renewed = false;
  video.onerror = async () => {
    // Once: what a fresh token does not help is no matter of tokens.
    if (renewed) return;
    renewed = true;
    const { currentTime, paused } = video;
    video.src = await gateway.address(metadata.id, output);
    video.currentTime = currentTime;
    if (!paused) await video.play();
  };
  video.onplaying = () => { renewed = false; };
  if (metadata.outputs.includes("poster")) {
    video.poster = await gateway.address(metadata.id, "poster");
  }
  video.src = await gateway.address(metadata.id, output);
}

/** The small pictures of a video: from when to when each stands, its sheet, and its place there. */
export async function thumbnails(gateway, metadata) {
  if (!metadata.outputs.includes("thumbnails.vtt")) return [];
  const address = await gateway.address(metadata.id, "thumbnails.vtt");
  const text = await (await fetch(address)).text();
  return text.split("\n\n").slice(1).map((cue) => {
    const [times, picture] = cue.trim().split("\n");
    const [from, to] = times.split(" --> ").map(seconds);
    const [sheet, place] = picture.split("#xywh=");
    const [x, y, width, height] = place.split(",").map(Number);
    return { from, to, sheet: new URL(sheet, address).href, x, y, width, height };
  });
}

function seconds(time) {
  return time.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}
