// A page of Next. The library is for the browser: it is made in an effect, which the server never runs. The reference
// runs on either side.
'use client'
import { flashAttention, tensor } from '@attn/core'
import { slidingWindow } from '@attn/masks'
import { createFlashAttention } from '@attn/webgpu-flash'
import { useEffect, useState } from 'react'

const shape = [1, 2, 37, 16]
const of = (seed: number) =>
  tensor(
    Float32Array.from({ length: 2 * 37 * 16 }, (_, at) => Math.sin(at * seed)),
    shape,
  )

async function attend(): Promise<string> {
  const flash = await createFlashAttention()
  const { output } = await flash.attention(of(1), of(2), of(3), { mask: slidingWindow(8) })
  flash.destroy()

  // The same on the CPU.
  const expected = flashAttention(of(1), of(2), of(3), { mask: slidingWindow(8) }).output.storage
  const apart = Array.from(output.storage, (each, at) => Math.abs(each - expected[at]!))
  return `largest difference ${Math.max(...apart)}`
}

export default function Page() {
  const [text, setText] = useState('attending…')
  useEffect(() => {
    attend().then(setText, (error: Error) => setText(error.message))
  }, [])
  return <p id="output">{text}</p>
}
