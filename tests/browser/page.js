// The page of `gateway dev`, as a person uses it: upload, processing, play, seek, scrub, delete.
import { inBrowser, task, watched } from './browser.js'

await inBrowser(async (page) => {
  await page.goto(task.url)
  await page.screenshot({ path: `${task.pictures}/empty.png` })
  await page.setInputFiles('#choose', task.film)
  const file = page.locator('.file')
  await file.filter({ has: page.locator('progress:visible') }).waitFor()
  const statuses = new Set()
  for (;;) {
    const status = await file.getAttribute('data-status')
    statuses.add(status ?? 'uploading')
    if (status === 'processing' && statuses.size === 2) {
      await page.screenshot({ path: `${task.pictures}/processing.png` })
    }
    if (status === 'ready' || status === 'failed') break
    await page.waitForTimeout(50)
  }
  const video = file.locator('video')
  await page.waitForFunction(() => document.querySelector('video').poster)
  await page.waitForTimeout(500)
  await page.screenshot({ path: `${task.pictures}/ready.png` })
  await file.locator('.play').click()
  await page.waitForFunction(() => document.querySelector('video').currentTime > 0.5)
  const begun = await watched(video)
  await file.locator('.seek').evaluate((seek) => {
    seek.value = 800
    seek.dispatchEvent(new Event('input', { bubbles: true }))
  })
  const there = 0.8 * begun.duration
  await page.waitForFunction((there) => document.querySelector('video').currentTime > there + 0.3, there)
  const sought = await watched(video)
  await file.locator('.play').click()
  await file.locator('.seek').hover({ position: { x: 100, y: 8 } })
  await file.locator('.preview:visible').waitFor()
  await page.waitForTimeout(300)
  await page.screenshot({ path: `${task.pictures}/playing.png` })
  await file.locator('.delete').click()
  await page.locator('#nothing:visible').waitFor()
  return { statuses: [...statuses], begun, sought }
})
