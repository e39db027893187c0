// The picture of the latest settings: one is drawn at a time, and of those that wait only the last.
import { onBeforeUnmount, shallowRef, type ShallowRef } from 'vue'
import type { LabPicture, PictureRequest } from './make-picture.ts'
import type { PictureReply } from './picture-worker.ts'

export interface LatestPicture {
  readonly picture: ShallowRef<LabPicture | undefined>
  /** Of the picture; undefined while they are counted, and where that would take long. */
  readonly visiblePairs: ShallowRef<number | undefined>
  readonly error: ShallowRef<string | undefined>
  draw(request: PictureRequest): void
}

export function useLatestPicture(): LatestPicture {
  const picture = shallowRef<LabPicture>()
  const visiblePairs = shallowRef<number>()
  const error = shallowRef<string>()
  const worker = new Worker(new URL('./picture-worker.ts', import.meta.url), { type: 'module' })
  let busy = false
  let waiting: PictureRequest | undefined
  const send = (request: PictureRequest): void => {
    busy = true
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- workers have no origin
    worker.postMessage(request)
  }
  const next = (): void => {
    busy = false
    const request = waiting
    waiting = undefined
    if (request) send(request)
  }
  worker.addEventListener('message', ({ data }: MessageEvent<PictureReply>) => {
    if (data.kind === 'counted') {
      visiblePairs.value = data.visiblePairs
      return
    }
    if (data.kind === 'drawn') {
      picture.value = data.picture
      visiblePairs.value = undefined
      error.value = undefined
    } else {
      error.value = data.message
    }
    next()
  })
  worker.addEventListener('error', ({ message }) => {
    error.value = message || 'the worker did not start'
    next()
  })
  onBeforeUnmount(() => worker.terminate())
  return {
    picture,
    visiblePairs,
    error,
    draw: (request) => {
      if (busy) waiting = request
      else send(request)
    },
  }
}
