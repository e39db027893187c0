// The documentation site. `typedoc` writes docs/api first; VitePress then fails on any dead link.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig, type DefaultTheme } from 'vitepress'
import { lectureFile, resultFiles } from './results.ts'

const guide: DefaultTheme.SidebarItem[] = [
  {
    text: 'Start',
    items: [
      { text: 'Getting started', link: '/guide/getting-started' },
      { text: 'The tensor interface', link: '/guide/tensors' },
      { text: 'Expressions', link: '/guide/expressions' },
    ],
  },
  {
    text: 'How it works',
    items: [
      { text: 'How flash attention works', link: '/guide/flash-attention' },
      { text: 'Block maps', link: '/guide/block-maps' },
      { text: 'WebGPU plans', link: '/guide/webgpu-plans' },
    ],
  },
  {
    text: 'What to compute',
    items: [
      { text: 'Masks', link: '/guide/masks' },
      { text: 'Positions', link: '/guide/positions' },
      { text: 'Past the training length', link: '/guide/extrapolation' },
      { text: 'Model files', link: '/guide/model-files' },
      { text: 'Coming from another library', link: '/guide/coming-from' },
    ],
  },
  {
    text: 'Fine print',
    items: [
      { text: 'Conventions we pin', link: '/guide/conventions' },
      { text: 'How it is tested', link: '/guide/how-it-is-tested' },
      { text: 'Errata of common teaching', link: '/guide/errata' },
    ],
  },
]

/** The pages that typedoc wrote, one collapsed group for each package. */
function apiPages(): DefaultTheme.SidebarItem[] {
  const file = fileURLToPath(new URL('../api/typedoc-sidebar.json', import.meta.url))
  if (!existsSync(file)) throw new Error('docs/api is missing: run `pnpm run api` first')
  return JSON.parse(readFileSync(file, 'utf8')) as DefaultTheme.SidebarItem[]
}

const measured = resultFiles().length > 0
const lectured = existsSync(lectureFile)

export default defineConfig({
  title: 'attn',
  description:
    'Exact attention for TypeScript: masks and positions as expressions, on WebGPU and on the CPU.',
  lang: 'en',
  cleanUrls: true,
  lastUpdated: false,
  srcExclude: [
    '**/README.md',
    ...(measured ? [] : ['benchmarks.md', 'gallery.md']),
    ...(lectured ? [] : ['lecture.md']),
  ],
  head: [['link', { rel: 'icon', href: '/favicon.svg', type: 'image/svg+xml' }]],
  markdown: { math: true, theme: { light: 'github-light', dark: 'github-dark' } },
  transformPageData: (page) => {
    // Signatures and tables of the API need the room that the outline would take.
    if (page.relativePath.startsWith('api/')) {
      Object.assign(page.frontmatter, { aside: false, pageClass: 'api-page' })
    }
  },
  themeConfig: {
    logo: '/favicon.svg',
    nav: [
      { text: 'Guide', link: '/guide/getting-started', activeMatch: '/guide/' },
      { text: 'API', link: '/api/', activeMatch: '/api/' },
      ...(lectured ? [{ text: 'The lecture, run', link: '/lecture' }] : []),
      ...(measured
        ? [
            { text: 'Benchmarks', link: '/benchmarks' },
            { text: 'Gallery', link: '/gallery' },
          ]
        : []),
    ],
    sidebar: { '/guide/': guide, '/api/': apiPages() },
    outline: [2, 3],
    search: { provider: 'local' },
    docFooter: { prev: 'Previous', next: 'Next' },
    footer: { message: 'MIT licence' },
  },
  vite: {
    // Pages draw their pictures with the packages' sources: no build of them is needed first.
    resolve: { conditions: ['attn:source', 'module', 'browser', 'development|production'] },
    ssr: {
      noExternal: [/^@attn\//],
      resolve: { conditions: ['attn:source', 'module', 'node', 'development|production'] },
    },
  },
})
