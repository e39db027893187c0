// node ../../tools/clean.ts: empties the dist folder of the package it is called in, so that no
// output of a file that is gone gets published.
import { rmSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
