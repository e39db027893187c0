// The kernels that run before products of halves, as text; `vitest -u` writes the files anew.
import { expect, test } from 'vitest'
import { splitChoiceKernel } from '../../src/kernels/forward/split/forward-choice.wgsl.ts'
import { splitRowsKernel } from '../../src/kernels/forward/split/forward-halves.wgsl.ts'
import { splitMagnitudesKernel } from '../../src/kernels/forward/split/forward-magnitudes.wgsl.ts'

const access = { dtype: 'float32', nativeFloat16: true, vector: true } as const
const inputs = {
  accesses: { query: access, key: access, value: access },
  headDim: 64,
  valueDim: 32,
}

test.each([
  ['magnitudes', splitMagnitudesKernel(inputs)],
  ['halves', splitRowsKernel(inputs)],
  ['choice', splitChoiceKernel()],
])('%s before the forward products of halves', async (name, text) => {
  await expect(text).toMatchFileSnapshot(`../__wgsl__/forward-${name}.wgsl`)
})
