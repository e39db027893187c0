// Models that were trained before, with the text that they were not trained on: loaded when a visitor asks.
import { decodeModel, type PositionMethodName, type StoredModel } from '@attn/bench/lab'

const files = import.meta.glob<string>(
  '../../../../../docs/results/lab/{sinusoidal,learned,rope,t5,alibi}-1.attn',
  {
    query: '?url',
    import: 'default',
  },
)

/** A trained model of the stored run, with its vocabulary. */
export async function storedModel(method: PositionMethodName): Promise<StoredModel> {
  const address = Object.entries(files).find(([path]) => path.endsWith(`/${method}-1.attn`))
  if (!address) throw new Error(`there are no weights of ${method}`)
  const answer = await fetch(await address[1]())
  if (!answer.ok) throw new Error(`the weights did not come: ${answer.status}`)
  return decodeModel(new Uint8Array(await answer.arrayBuffer()))
}

/** Text that no model has seen. */
export async function heldOutText(): Promise<string> {
  return (await import('../../../../../docs/results/lab/held-out.txt?raw')).default
}

/** A text as a model reads it; characters that it does not know are left out. */
export function tokensOf(text: string, { characters }: StoredModel): Uint16Array {
  const places = new Map([...characters].map((character, place) => [character, place]))
  return Uint16Array.from(
    Array.from(text as Iterable<string>).flatMap((character) => {
      const place = places.get(character)
      return place === undefined ? [] : [place]
    }),
  )
}
