// Draws pictures away from the page's thread, so that typing never waits for them. The picture comes first, the
// count of its pairs when it is done, unless another picture is asked for meanwhile.
import { countPairs } from './count-pairs.ts'
import { makePicture, type LabPicture, type PictureRequest } from './make-picture.ts'

export type PictureReply =
  | { readonly kind: 'drawn'; readonly picture: LabPicture }
  | { readonly kind: 'counted'; readonly visiblePairs: number | undefined }
  | { readonly kind: 'failed'; readonly message: string }

function reply(data: PictureReply): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- workers have no origin
  self.postMessage(data)
}

let latest: PictureRequest | undefined

async function count(request: PictureRequest): Promise<void> {
  const counting = countPairs(request)
  let pause = performance.now()
  for (let next = counting.next(); ; next = counting.next()) {
    if (latest !== request) return
    if (next.done) return reply({ kind: 'counted', visiblePairs: next.value })
    if (performance.now() - pause < 12) continue
    await new Promise((resolve) => setTimeout(resolve))
    pause = performance.now()
  }
}

self.addEventListener('message', ({ data }: MessageEvent<PictureRequest>) => {
  latest = data
  try {
    reply({ kind: 'drawn', picture: makePicture(data) })
    void count(data)
  } catch (error) {
    reply({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
  }
})
