// The demo runs on the packages' sources: no build of them is needed first.
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

export default defineConfig({
  // Relative addresses, so that the built page works in any folder of a site.
  base: './',
  plugins: [vue()],
  resolve: { conditions: ['attn:source', 'module', 'browser', 'development|production'] },
  worker: { format: 'es' },
  build: { target: 'es2023' },
})
