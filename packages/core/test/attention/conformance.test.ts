// The CPU algorithms against the suite that every backend runs.
import { flashAttention, standardAttention } from '../../src/index.ts'
import { describeForward } from '../conformance/index.ts'

describeForward('standardAttention', async (query, key, value, options) =>
  standardAttention(query, key, value, options),
)

describeForward('flashAttention, queries outside', async (query, key, value, options) =>
  flashAttention(query, key, value, { ...options, queryBlockSize: 16, keyBlockSize: 32 }),
)

describeForward('flashAttention, keys outside', async (query, key, value, options) =>
  flashAttention(query, key, value, {
    ...options,
    loopOrder: 'keys-outside',
    queryBlockSize: 48,
    keyBlockSize: 20,
  }),
)
