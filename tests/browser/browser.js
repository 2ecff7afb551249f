// What the scripts beside it share: a task as JSON in BROWSER_TASK, so that no token is in an argument
// list; Chromium by Playwright; what went wrong in a page; an outcome as one line of JSON.
import { createRequire } from 'node:module'

export const require = createRequire(`${process.env.FGW_TEST_BROWSER}/`)
export const task = JSON.parse(process.env.BROWSER_TASK)

export async function inBrowser(test) {
  const { chromium } = require('playwright-core')
  const browser = await chromium.launch({
    executablePath: task.chromium,
    args: ['--no-sandbox', '--mute-audio', '--autoplay-policy=no-user-gesture-required'],
  })
  const troubles = []
  try {
    const page = await browser.newPage({ viewport: { width: 900, height: 800 } })
    page.on('pageerror', (error) => troubles.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error') troubles.push(message.text())
    })
    const outcome = await test(page).catch((error) => ({ error: String(error) }))
    console.log(JSON.stringify({ ...outcome, troubles }))
  } finally {
    await browser.close()
  }
}

export function watched(video) {
  return video.evaluate((element) => ({
    at: element.currentTime,
    duration: element.duration,
    frames: element.getVideoPlaybackQuality().totalVideoFrames,
    source: element.currentSrc.replace(/\?.*/, ''),
  }))
}
