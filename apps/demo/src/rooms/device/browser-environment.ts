// What result files say of where they were made.
import type { Environment } from '@attn/bench'
import { version } from '../../../../../packages/bench/package.json'

export function browserEnvironment(): Environment {
  return { attn: version, runtime: navigator.userAgent, platform: 'browser' }
}
