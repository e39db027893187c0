// What the models learn: the guides of this project, as they are written. Loaded when training begins.
const guides = import.meta.glob<string>('../../../../../docs/guide/*.md', {
  query: '?raw',
  import: 'default',
  eager: true,
})

export const trainingText = Object.keys(guides)
  .sort()
  .map((name) => guides[name]!)
  .join('\n')
