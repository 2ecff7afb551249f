// A client of the gateway: uploads by tus, file tokens, metadata. No dependency, no build.

/** The part of an upload that one request carries: what is lost when it breaks off. */
const PIECE_BYTES = 8 * 1024 * 1024;
/** How often a broken upload is taken up again, and how long to wait before the first time. */
const ATTEMPTS = 8;
const PAUSE_MS = 500;

export class GatewayError extends Error {
  /** `code` is the stable name in the gateway's answer, `status` the HTTP status; 0 without one. */
  constructor(message, status = 0, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export class Gateway {
  #tokens = new Map();

  /** `url` without a slash at its end; `jwt` as the organization's issuer signed it. */
  constructor(url, jwt) {
    this.url = url;
    this.jwt = jwt;
  }

  async #ask(path, options = {}) {
    const headers = { Authorization: `Bearer ${this.jwt}`, ...options.headers };
    const answer = await fetch(this.url + path, { ...options, headers });
    if (!answer.ok) throw await problem(answer);
    return answer;
  }

  /** What is known of a file. */
  async metadata(id) {
    return (await this.#ask(`/v1/files/${id}/metadata`)).json();
  }

  async delete(id) {
    await this.#ask(`/v1/files/${id}`, { method: "DELETE" });
    this.#tokens.delete(id);
  }

  /** A token that opens this file; asked for anew when it is time. */
  async fileToken(id) {
    const held = this.#tokens.get(id);
    if (held && Date.now() < held.until) return held.token;
    const answer = await (await this.#ask(`/v1/files/token?file_id=${id}`)).json();
    this.#tokens.set(id, { token: answer.token, until: Date.parse(answer.refresh_after) });
    return answer.token;
  }

  /** A URL of the file, or of what was made of it, that `<video>` and `<img>` can open. */
  async address(id, output) {
    const path = output ? `/v1/files/${id}/${output}` : `/v1/files/stream/${id}`;
    return `${this.url}${path}?token=${await this.fileToken(id)}`;
  }

  /**
   * Uploads a `File` by tus 1.0.0 and gives its id. A connection that breaks off is taken up where the
   * gateway stands. `progress` is called with the bytes that are stored or on their way.
   */
  async upload(file, progress = () => {}) {
    const encoded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
    const metadata = [`filename ${encoded(file.name)}`];
    if (file.type) metadata.push(`filetype ${encoded(file.type)}`);
    const created = await this.#ask("/v1/uploads", {
      method: "POST",
      headers: {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": String(file.size),
        "Upload-Metadata": metadata.join(","),
      },
    });
    const place = new URL(created.headers.get("Location"), this.url).href;
    let id = created.headers.get("Upload-File-Id");
    let [offset, failures] = [Number(created.headers.get("Upload-Offset") ?? 0), 0];
    while (offset < file.size) {
      try {
        const piece = file.slice(offset, offset + PIECE_BYTES);
        const request = await this.#send(place, piece, offset, progress);
        id = request.getResponseHeader("Upload-File-Id") ?? id;
        offset = Number(request.getResponseHeader("Upload-Offset"));
        failures = 0;
      } catch (error) {
        const mayPass = error.status === 0 || error.status >= 500 || [409, 423].includes(error.status);
        if (!mayPass || ++failures > ATTEMPTS) throw error;
        await new Promise((done) => setTimeout(done, PAUSE_MS * 2 ** failures));
        const headers = { "Tus-Resumable": "1.0.0", Authorization: `Bearer ${this.jwt}` };
        const stand = await fetch(place, { method: "HEAD", headers }).catch(() => null);
        if (stand?.ok) offset = Number(stand.headers.get("Upload-Offset"));
      }
      progress(offset);
    }
    return id;
  }

  // XMLHttpRequest, because fetch tells nothing of how far a body is.
  #send(place, piece, offset, progress) {
    return new Promise((done, failed) => {
      const request = new XMLHttpRequest();
      request.open("PATCH", place);
      request.setRequestHeader("Authorization", `Bearer ${this.jwt}`);
      request.setRequestHeader("Tus-Resumable", "1.0.0");
      request.setRequestHeader("Upload-Offset", String(offset));
      request.setRequestHeader("Content-Type", "application/offset+octet-stream");
      request.upload.onprogress = (event) => progress(offset + event.loaded);
      request.onload = () => {
        if (request.status < 300) return done(request);
        let body = {};
        try { body = JSON.parse(request.responseText); } catch { /* Not the gateway's own answer. */ }
        failed(new GatewayError(words(body) ?? `The upload failed (${request.status})`, request.status, body.code));
      };
      request.onerror = () => failed(new GatewayError("The connection broke off"));
      request.send(piece);
    });
  }
}

async function problem(answer) {
  const body = await answer.json().catch(() => ({}));
  return new GatewayError(words(body) ?? `The gateway answered ${answer.status}`, answer.status, body.code);
}

/** What a failed answer says, for people: `detail` is a text, or a list of wrong fields. */
function words(body) {
  if (typeof body.detail === "string") return body.detail;
  return body.detail?.map((field) => `${field.loc.at(-1)}: ${field.msg}`).join("; ");
}
