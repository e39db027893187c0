// How changesets are written into changelogs: a short one as a point of the list, a long one as it stands.
// Packages move together, so that nothing is said of those that follow the others.

const changelog = {
  getReleaseLine: async ({ summary }) => {
    const text = summary.trim()
    if (text.includes('\n\n')) return `\n${text}\n`
    return `- ${text.replaceAll('\n', '\n  ')}`
  },
  getDependencyReleaseLine: async () => '',
}
// Changesets asks for it.
// oxlint-disable-next-line import/no-default-export
export default changelog
