// A film that is longer than its token, by hls.js on a page of another site: no cookie travels, so the page
// puts a fresh token into each URL, and nothing breaks off.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { inBrowser, require, task, watched } from './browser.js'

const PAGE = `<!doctype html><title>Film</title><link rel="icon" href="data:,">
  <video id="video" muted></video><script src="hls.js"></script>`

// `localhost` is another site than `127.0.0.1`, where the gateway is.
const site = createServer((request, answer) => {
  const isScript = request.url.endsWith('hls.js')
  answer.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
  answer.end(isScript ? readFileSync(require.resolve('hls.js/dist/hls.min.js')) : PAGE)
})
await new Promise((done) => site.listen(0, 'localhost', done))

await inBrowser(async (page) => {
  await page.goto(`http://localhost:${site.address().port}/`)
  await page.evaluate(({ gateway, id, jwt, renews }) => {
    const tokens = new Set()
    const fresh = async () => {
      const answer = await fetch(`${gateway}/v1/files/token?file_id=${id}`, {
        headers: { Authorization: `Bearer ${jwt}` },
      })
      window.token = (await answer.json()).token
      tokens.add(window.token)
    }
    window.play = async () => {
      await fresh()
      if (renews) setInterval(fresh, 1000)
      const hls = new Hls({
        maxBufferLength: 2,
        maxMaxBufferLength: 2,
        xhrSetup: (request, url) => {
          const next = new URL(url)
          next.searchParams.set('token', window.token)
          request.open('GET', next.href)
        },
      })
      window.refused = null
      hls.on(Hls.Events.ERROR, (_, error) => {
        if (error.response?.code >= 400) window.refused = error.response.code
      })
      // Where picture and sound begin for the browser itself.
      window.begins = {}
      hls.on(Hls.Events.BUFFER_APPENDED, (_, { timeRanges }) => {
        for (const [kind, ranges] of Object.entries(timeRanges)) {
          if (ranges?.length) window.begins[kind] ??= ranges.start(0)
        }
      })
      hls.loadSource(`${gateway}/v1/files/${id}/hls/master.m3u8?token=${window.token}`)
      hls.attachMedia(document.getElementById('video'))
      await document.getElementById('video').play()
    }
    window.tokens = tokens
  }, task)
  await page.evaluate(() => window.play())
  const video = page.locator('#video')
  // Past the first token's end, and then far ahead of what was loaded.
  await page.waitForTimeout(6000)
  await video.evaluate((element) => { element.currentTime = 0.8 * element.duration })
  const over = 0.8 * (await watched(video)).duration + 1
  await page.waitForFunction((over) => window.refused || document.getElementById('video').currentTime > over, over)
  const refused = await page.evaluate(() => window.refused)
  const begins = await page.evaluate(() => window.begins)
  return { ...(await watched(video)), refused, begins, tokens: await page.evaluate(() => window.tokens.size) }
})
site.close()
site.closeAllConnections()
