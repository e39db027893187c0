// Draws the pictures that other sites and phones show for this one, from a mask as @attn/masks draws it:
// docs/public/open-graph.png and apple-touch-icon.png. Run after a change of either; needs Chromium.
import { writeFileSync, readFileSync } from 'node:fs'
import { attentionSinks, matrixSvg } from '../packages/masks/src/index.ts'
import { chromium } from 'playwright'
import { findChromium } from './testing/find-chromium.ts'

const executablePath = findChromium()
if (!executablePath) throw new Error('open-graph: found no Chromium; set CHROMIUM_PATH')
const mask = matrixSvg(attentionSinks({ sinks: 3, recent: 9 }), 40)
const icon = readFileSync(new URL('../docs/public/favicon.svg', import.meta.url), 'utf8')
const page = (body: string, style: string): string =>
  `<!doctype html><style>* { margin: 0; box-sizing: border-box } body { background: #fff;
  font-family: system-ui, 'Noto Sans', sans-serif; ${style} }</style>${body}`

const browser = await chromium.launch({ executablePath })
const draw = async (name: string, width: number, height: number, html: string): Promise<void> => {
  const tab = await browser.newPage({ viewport: { width, height } })
  await tab.setContent(html)
  writeFileSync(new URL(`../docs/public/${name}`, import.meta.url), await tab.screenshot())
}
await draw(
  'open-graph.png',
  1200,
  630,
  page(
    `<div style="flex: 1"><h1 style="font-size: 112px; color: #0f766e">attn</h1>
    <p style="font-size: 46px; line-height: 1.25; margin: 18px 0 28px; color: #1c1f23">Efficient attention for
    TypeScript</p><p style="font-size: 28px; line-height: 1.4; color: #4b5563">Exact, on WebGPU. Masks that
    skip the work they hide.</p></div><div class="mask">${mask}</div>`,
    'width: 1200px; height: 630px; padding: 64px 80px; display: flex; gap: 56px; align-items: center;',
  ) + '<style>.mask svg { width: 480px; height: 480px }</style>',
)
await draw(
  'apple-touch-icon.png',
  180,
  180,
  page(icon, 'display: grid; place-items: center; height: 180px;') +
    '<style>svg { width: 132px }</style>',
)
await browser.close()
