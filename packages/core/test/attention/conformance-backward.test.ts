// The CPU gradients, dropout and sinks against the suites that every backend runs.
import { flashAttention, flashAttentionBackward, standardAttention } from '../../src/index.ts'
import { describeBackward, describeDropout, describeSinks } from '../conformance/index.ts'
import type { Attend, AttendBackward } from '../conformance/index.ts'
import { standardGradients } from '../conformance/index.ts'

const standard: Attend = async (query, key, value, options) =>
  standardAttention(query, key, value, options)

const standardBackward: AttendBackward = async (query, key, value, dOutput, options) =>
  standardGradients(query, key, value, dOutput, options)

describeBackward('standardAttentionBackward', standardBackward)
describeDropout('standardAttention', standard, standardBackward)
describeSinks('standardAttention', standard, standardBackward)

const flash: Attend = async (query, key, value, options) =>
  flashAttention(query, key, value, { ...options, queryBlockSize: 16, keyBlockSize: 32 })

const flashBackward: AttendBackward = async (query, key, value, dOutput, options) => {
  const forward = flashAttention(query, key, value, options)
  const tiles = { queryBlockSize: 24, keyBlockSize: 16 }
  return flashAttentionBackward(query, key, value, forward, dOutput, { ...options, ...tiles })
}

describeBackward('flashAttentionBackward', flashBackward)
describeDropout('flashAttention', flash, flashBackward)
describeSinks('flashAttention', flash, flashBackward)

const keysOutside: Attend = async (query, key, value, options) =>
  flashAttention(query, key, value, { ...options, loopOrder: 'keys-outside', keyBlockSize: 20 })

describeDropout('flashAttention, keys outside', keysOutside)
describeSinks('flashAttention, keys outside', keysOutside)
