// How the files of the GPU project are dealt to processes.
import { expect, test } from 'vitest'
import {
  besideTheCore,
  besideTheSample,
  dealt,
  gpuFiles,
  seconds,
  shortName,
  timeOf,
} from '../testing/gpu-shares.ts'

test('every file is dealt once, and processes take about as long', () => {
  const files = gpuFiles()
  const shares = dealt(files, 2)
  expect(shares.flat().toSorted()).toEqual(files)
  const times = shares.map((share) => share.reduce((sum, file) => sum + timeOf(file), 0))
  expect(Math.max(...times) / Math.min(...times)).toBeLessThan(1.1)
})

test('a core is a part of all files, and a sample of the core; each pattern leaves something out', () => {
  const [all, core, sample] = [[], besideTheCore, besideTheSample].map((each) => gpuFiles(each))
  expect(all).toEqual(expect.arrayContaining(core!))
  expect(core).toEqual(expect.arrayContaining(sample!))
  for (const pattern of besideTheSample) {
    expect({ pattern, left: gpuFiles([pattern]).length < all!.length }).toEqual({
      pattern,
      left: true,
    })
  }
  expect(sample!.map(shortName)).toEqual(
    expect.arrayContaining(['forward', 'backward', 'decode'].map((each) => `webgpu-flash/${each}`)),
  )
})

test('files whose time is known exist', () => {
  const files = gpuFiles()
  expect(files.map(shortName)).toEqual(expect.arrayContaining(Object.keys(seconds)))
})
