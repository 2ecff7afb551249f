// Uploads one file with tus-js-client. The connection is broken off at random, and each time the
// upload goes on at another replica. What to do comes as JSON in TUS_TASK, so that no token is in an
// argument list; the outcome is one line of JSON.
import { createReadStream, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'

const { Upload } = createRequire(`${process.env.FGW_TEST_TUS}/`)('tus-js-client')
const task = JSON.parse(process.env.TUS_TASK)
const size = statSync(task.file).size
const MOST_TURNS = 100

let state = task.seed >>> 0
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}

// Where the upload is, the same at every replica.
let path = null
let interrupted = 0

// One run at one replica: the response that ended the upload, or null when there is more to do.
function attempt(endpoint, breakOffAt) {
  return new Promise((resolve, reject) => {
    let over = false
    const upload = new Upload(createReadStream(task.file), {
      endpoint: `${endpoint}/v1/uploads`,
      uploadUrl: path && endpoint + path,
      headers: { Authorization: `Bearer ${task.token}` },
      metadata: { filename: 'random.bin', filetype: 'application/octet-stream' },
      chunkSize: task.chunkSize ?? Infinity,
      retryDelays: null,
      storeFingerprintForResuming: false,
      onUploadUrlAvailable() {
        path = new URL(upload.url).pathname
      },
      onProgress(sent) {
        if (over || sent < breakOffAt) return
        over = true
        interrupted += 1
        upload.abort().then(() => resolve(null), reject)
      },
      onSuccess({ lastResponse }) {
        over = true
        resolve(lastResponse)
      },
      onError(error) {
        if (over) return
        over = true
        const status = error.originalResponse?.getStatus()
        // A replica that is gone, an offset that moved on, a dependency that is not there.
        const passes = status === undefined || status === 409 || status === 423 || status >= 500
        if (passes) resolve(null)
        else reject(error)
      },
    })
    upload.start()
  })
}

let sent = 0
for (let turn = 0; turn < MOST_TURNS; turn += 1) {
  const endpoint = task.endpoints[turn % task.endpoints.length]
  const before = interrupted
  const breaks = before < task.interruptions
  // A part of what is left, so that the upload gets on whatever is drawn.
  const breakOffAt = breaks ? sent + Math.ceil((size - sent) * random() * 0.7) : Infinity
  const response = await attempt(endpoint, breakOffAt)
  if (response) {
    const id = response.getHeader('Upload-File-Id')
    console.log(JSON.stringify({ id, path, interrupted, turns: turn + 1 }))
    process.exit(0)
  }
  if (interrupted > before) sent = breakOffAt
  await sleep(20)
}
console.error(`not finished after ${MOST_TURNS} turns`)
process.exit(1)
