// The documentation site. `typedoc` writes docs/api first; VitePress then fails on any dead link.
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, type DefaultTheme, type UserConfig } from 'vitepress'
import llmstxt from 'vitepress-plugin-llms'
import { colorClasses, colorStyles } from './code-colors.ts'
import { lectureFile, resultFiles } from './results.ts'

/** Where the site will lie. A build for another place says which; one for this machine lies at the root. */
const address = new URL(process.env['ATTN_SITE'] ?? 'https://attn-ts.github.io/attn/')
const base = process.env['ATTN_SITE'] ? address.pathname : '/'
const source = 'https://github.com/attn-ts/attn'
/** The playground, built beside. */
const playground = fileURLToPath(new URL('../../apps/demo/dist', import.meta.url))
const hasPlayground = existsSync(playground) && process.argv.includes('build')
const description =
  'Exact attention for TypeScript: masks and positions as expressions, on WebGPU and on the CPU.'

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
      { text: 'Decoding', link: '/guide/decoding' },
    ],
  },
  {
    text: 'What to compute',
    items: [
      { text: 'Masks', link: '/guide/masks' },
      { text: 'Positions', link: '/guide/positions' },
      { text: 'Past the training length', link: '/guide/extrapolation' },
      { text: 'Which pattern for which data', link: '/guide/trained-patterns' },
      { text: 'Model files', link: '/guide/model-files' },
      { text: 'Coming from another library', link: '/guide/coming-from' },
      { text: 'With other libraries', link: '/guide/interop' },
    ],
  },
  {
    text: 'Fine print',
    items: [
      { text: 'Conventions we pin', link: '/guide/conventions' },
      { text: 'Errors', link: '/errors/' },
      { text: 'How it is tested', link: '/guide/how-it-is-tested' },
      { text: 'Errata of common teaching', link: '/guide/errata' },
    ],
  },
]

/**
 * What stands beside the pages that typedoc wrote: the packages, and the kinds of exports of the one at hand,
 * which lead to their lists on its page. All names beside every page would make a hundred megabytes of them.
 */
function apiSidebars(): Record<string, DefaultTheme.SidebarItem[]> {
  const file = fileURLToPath(new URL('../api/typedoc-sidebar.json', import.meta.url))
  if (!existsSync(file)) throw new Error('docs/api is missing: run `pnpm run api` first')
  const packages = JSON.parse(readFileSync(file, 'utf8')) as DefaultTheme.SidebarItem[]
  const kindsOf = (link: string): readonly string[] => {
    const page = fileURLToPath(new URL(`..${link}index.md`, import.meta.url))
    const kinds = /^## (Classes|Interfaces|Type Aliases|Variables|Functions)$/gm
    return [...readFileSync(page, 'utf8').matchAll(kinds)].map(([, kind]) => kind!)
  }
  const beside = (here?: string): DefaultTheme.SidebarItem[] =>
    packages.map(({ text, link }) => ({
      text: text!,
      link: link!,
      items: (link === here ? kindsOf(link!) : []).map((kind) => ({
        text: kind,
        link: `${link}#${kind.toLowerCase().replaceAll(' ', '-')}`,
      })),
    }))
  const ofPackages = packages.map(({ link }) => [link!, beside(link)] as const)
  return { ...Object.fromEntries(ofPackages), '/api/': beside() }
}

/** Other names of what pages speak of, so that the search finds them by these as well. */
const synonyms: readonly (readonly [speaks: RegExp, names: string])[] = [
  [/kvHeads|kv_heads/, 'GQA grouped-query attention MQA multi-query'],
  [/slidingWindow/, 'SWA local attention Mistral'],
  [/cumulativeQueryLengths/, 'varlen cu_seqlens packing padding'],
  [/logSumExp/, 'LSE softmax_lse'],
  [/KeyValueCache|flash\.cache/, 'KV cache past_key_values decoding'],
  [/createFlashAttention/, 'onnxruntime ORT transformers.js TensorFlow.js tfjs jax worker device'],
  [/unsafe-eval/, 'CSP content security policy eval'],
  [/scoreModifier/, 'FlexAttention score_mod attention bias'],
  [/rotary|RoPE/i, 'rotary position embedding rope_theta rope_scaling'],
]

const measured = resultFiles().length > 0
const lectured = existsSync(lectureFile)

type PluginOption = NonNullable<NonNullable<UserConfig['vite']>['plugins']>[number]

export default defineConfig({
  title: 'attn',
  description,
  base,
  lang: 'en',
  sitemap: { hostname: address.href },
  cleanUrls: true,
  // Every page would say where all others are.
  metaChunk: true,
  lastUpdated: false,
  srcExclude: [
    '**/README.md',
    ...(measured ? [] : ['benchmarks.md', 'gallery.md']),
    ...(lectured ? [] : ['lecture.md']),
  ],
  head: [
    ['link', { rel: 'icon', href: `${base}favicon.svg`, type: 'image/svg+xml' }],
    ['link', { rel: 'apple-touch-icon', href: `${base}apple-touch-icon.png` }],
  ],
  // Sets are written in braces here: attributes of markdown-it would take them for theirs.
  markdown: {
    math: true,
    codeTransformers: [colorClasses],
    attrs: { disable: true },
    theme: { light: 'github-light', dark: 'github-dark' },
  },
  transformHead: ({ pageData }) => {
    const place = new URL(pageData.relativePath.replace(/(index)?\.md$/, ''), address).href
    // Who shares a page shares one of the others; of these there are hundreds.
    if (pageData.relativePath.startsWith('api/'))
      return [['link', { rel: 'canonical', href: place }]]
    return [
      ['link', { rel: 'canonical', href: place }],
      ['meta', { property: 'og:type', content: 'website' }],
      ['meta', { property: 'og:site_name', content: 'attn' }],
      ['meta', { property: 'og:image', content: new URL('open-graph.png', address).href }],
      ['meta', { property: 'og:image:width', content: '1200' }],
      ['meta', { property: 'og:image:height', content: '630' }],
      ['meta', { name: 'twitter:card', content: 'summary_large_image' }],
      ['meta', { property: 'og:title', content: pageData.title || 'attn' }],
      ['meta', { property: 'og:description', content: pageData.description || description }],
      ['meta', { property: 'og:url', content: place }],
    ]
  },
  transformPageData: (page) => {
    if (page.relativePath === 'index.md' && hasPlayground) {
      const { hero } = page.frontmatter as { hero: { actions: object[] } }
      const play = { theme: 'alt', text: 'Playground', link: '/playground/', target: '_self' }
      hero.actions.splice(1, 0, play)
    }
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
      ...(hasPlayground ? [{ text: 'Playground', link: '/playground/', target: '_self' }] : []),
      ...(lectured ? [{ text: 'The lecture, run', link: '/lecture' }] : []),
      ...(measured
        ? [
            { text: 'Benchmarks', link: '/benchmarks' },
            { text: 'Gallery', link: '/gallery' },
          ]
        : []),
    ],
    sidebar: { '/guide/': guide, '/errors/': guide, ...apiSidebars() },
    outline: [2, 3],
    search: {
      provider: 'local',
      options: {
        _render: (source, env, markdown) => {
          const html = markdown.render(source, env)
          const names = synonyms.flatMap(([speaks, other]) => (speaks.test(source) ? [other] : []))
          return names.length > 0 ? `${html}<p>${names.join(' ')}</p>` : html
        },
      },
    },
    docFooter: { prev: 'Previous', next: 'Next' },
    footer: { message: 'MIT licence' },
    socialLinks: [{ icon: 'github', link: source, ariaLabel: 'Source' }],
    notFound: {
      title: 'No such page',
      quote: 'Every key was looked at, and none of them holds this address.',
      linkText: 'To the start',
    },
  },
  // The theme gives its home page no landmark of its main part.
  transformHtml: (html, _, { pageData }) =>
    pageData.relativePath === 'index.md'
      ? html.replace(/<div class="VPContent/, '<div role="main" class="VPContent')
      : html,
  buildEnd({ outDir }) {
    if (hasPlayground) cpSync(playground, join(outDir, 'playground'), { recursive: true })
  },
  vite: {
    // llms.txt: the guides as text, for those who ask a model. The API is in the packages' types.
    plugins: [
      {
        name: 'attn:color-styles',
        resolveId: (id: string) => (id === 'virtual:code-colors.css' ? `\0${id}` : undefined),
        load: (id: string) => (id === '\0virtual:code-colors.css' ? colorStyles : undefined),
      },
      // Written against a newer Vite than VitePress has; it uses what both have.
      llmstxt({
        domain: new URL(base === '/' ? address.pathname : '/', address).href.replace(/\/$/, ''),
        sidebar: { '/guide/': guide },
        ignoreFiles: ['api/**', 'benchmarks.md', 'gallery.md', 'lecture.md'],
      }) as unknown as PluginOption,
    ],
    // Pages draw their pictures with the packages' sources: no build of them is needed first.
    resolve: { conditions: ['attn:source', 'module', 'browser', 'development|production'] },
    ssr: {
      noExternal: [/^@attn\//],
      resolve: { conditions: ['attn:source', 'module', 'node', 'development|production'] },
    },
  },
})
