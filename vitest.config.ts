import vue from '@vitejs/plugin-vue'
import { playwright } from '@vitest/browser-playwright'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'
import { examplesPlugin } from './tools/doctest/plugin.ts'
import { keepCompiled } from './tools/testing/compile-cache.ts'
import { findChromium } from './tools/testing/find-chromium.ts'
import { summaryReporter } from './tools/testing/summary-reporter.ts'

keepCompiled()
const conditions = ['attn:source', 'module', 'default']
const nodeSources = { ssr: { resolve: { conditions } }, resolve: { conditions } }
const given = (name: string, fallback = ''): string => process.env[name] || fallback
const requirements = { ATTN_REQUIRE_GPU: given('ATTN_REQUIRE_GPU') }
// Which adapter tools/with-gpu.ts was asked for, how much of the suites it runs on which kinds of
// device (see test-gpu/devices.ts and core's test/conformance/breadth.ts), and how many random problems.
const adapter = {
  ATTN_ADAPTER: given('ATTN_ADAPTER'),
  ATTN_DEVICES: given('ATTN_DEVICES'),
  ATTN_BREADTH: given('ATTN_BREADTH'),
  ATTN_RANDOM: given('ATTN_RANDOM'),
}
// Chromium brings its own adapter. Kernels are tested in Node; here it is the browser that is on trial,
// unless all is asked for.
const inBrowser = { ATTN_ADAPTER: '', ATTN_BREADTH: given('ATTN_BREADTH', 'sample') }
const browserFiles =
  inBrowser.ATTN_BREADTH === 'all'
    ? ['packages/*/test-gpu/**/*.test.ts']
    : [
        'packages/webgpu-flash/test-gpu/{device,forward,backward,kv-cache,calls,errors}.test.ts',
        'packages/bench/test-gpu/measuring.test.ts',
      ]
// Of a loaded machine too: what is slow there is no fault, what hangs is.
const patient = { testTimeout: 300_000, hookTimeout: 300_000 }

const unit: TestProjectInlineConfiguration = {
  ...nodeSources,
  test: {
    name: 'unit',
    // Files share what they load; a test that replaces something puts it back.
    isolate: false,
    include: ['{packages,apps}/*/test/**/*.test.ts', 'tools/test/**/*.test.ts'],
    ...patient,
  },
}

const gpu: TestProjectInlineConfiguration = {
  ...nodeSources,
  test: {
    name: 'gpu',
    include: ['packages/*/test-gpu/**/*.test.ts'],
    setupFiles: ['tools/testing/observe-kernels.ts'],
    env: { ...requirements, ...adapter },
    // A software GPU fills every core by itself; files share it, and what they load.
    fileParallelism: false,
    isolate: false,
    ...patient,
  },
}

const browser: TestProjectInlineConfiguration = {
  // The demo's components are tested as they are.
  plugins: [vue()],
  resolve: { conditions },
  optimizeDeps: { include: ['fast-check'] },
  test: {
    name: 'browser',
    include: [...browserFiles, '{packages,apps}/*/test-browser/**/*.test.ts'],
    env: { ...requirements, ...inBrowser },
    fileParallelism: false,
    ...patient,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      instances: [{ browser: 'chromium' }],
      provider: playwright({
        launchOptions: {
          executablePath: findChromium() ?? 'no-chromium-found-set-CHROMIUM_PATH',
          args: [
            '--headless=new',
            '--no-sandbox',
            '--enable-unsafe-webgpu',
            // As in tools/testing/acquire-gpu.ts: SwiftShader compiles the zeros very slowly.
            '--enable-dawn-features=disable_workgroup_init',
            // What SwiftShader would put together as a GPU does, Chromium itself does in less time.
            '--disable-gpu-compositing',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
            '--no-first-run',
            '--no-pings',
          ],
        },
      }),
    },
  },
}

const examples: TestProjectInlineConfiguration = {
  ...nodeSources,
  plugins: [examplesPlugin()],
  test: {
    name: 'examples',
    include: ['tools/doctest/*.test.ts'],
    env: { ...requirements, ...adapter },
    ...patient,
  },
}

const packaging: TestProjectInlineConfiguration = {
  test: {
    name: 'packaging',
    include: ['tools/test-packaging/*.test.ts'],
    env: requirements,
    fileParallelism: false,
    ...patient,
  },
}

const interop: TestProjectInlineConfiguration = {
  ...nodeSources,
  test: {
    name: 'interop',
    include: ['tools/interop/*.test.ts'],
    env: requirements,
    fileParallelism: false,
    ...patient,
  },
}

export default defineConfig({
  test: {
    projects: [unit, gpu, browser, examples, packaging, interop],
    reporters: ['default', summaryReporter()],
  },
})
