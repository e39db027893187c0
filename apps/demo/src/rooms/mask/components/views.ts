// The views of the picture, as the address has them.
const views = ['pairs', 'tiles', 'order', 'scores'] as const

export type View = (typeof views)[number]

export function viewNamed(name: unknown): View {
  return views.find((view) => view === name) ?? 'pairs'
}
