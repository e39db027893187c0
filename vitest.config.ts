import { defineConfig } from 'vitest/config'

const conditions = ['attn:source', 'module', 'default']
const nodeSources = { ssr: { resolve: { conditions } }, resolve: { conditions } }

export default defineConfig({
  test: {
    projects: [
      {
        ...nodeSources,
        test: {
          name: 'unit',
          environment: 'node',
          include: ['packages/*/test/**/*.test.ts'],
        },
      },
      {
        ...nodeSources,
        test: {
          name: 'gpu',
          environment: 'node',
          include: ['packages/*/test-gpu/**/*.test.ts'],
          // One software GPU process already fills two cores.
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
