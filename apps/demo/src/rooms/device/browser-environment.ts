// What result files say of where they were made.
import type { RunEnvironment } from '@attn/bench'
import { version } from '../../../../../packages/bench/package.json'

export function browserEnvironment(): RunEnvironment {
  return { attn: version, runtime: navigator.userAgent, platform: 'browser' }
}
