// The lecture as one HTML page that needs nothing else: no script, no font, no network. Figures are inline,
// and follow the reader's preference for light or dark like the page.
import type { LectureRow, Verdict } from './claim.ts'
import type { LectureReport } from './run-lecture.ts'

const classes: Readonly<Record<Verdict, string>> = {
  holds: 'holds',
  'holds within limits': 'limits',
  'does not hold here': 'fails',
  'not run': 'unknown',
}

const style = `
:root { color-scheme: light dark; --paper: #fff; --ink: #1f2328; --faint: #d0d7de; --pale: #59636e; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181d; --ink: #e6edf3; --faint: #3d444d; --pale: #9198a1; }
}
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { line-height: 1.2; margin: 0 0 .5rem; }
section { border-top: 1px solid var(--faint); padding: 1.25rem 0; }
h2 { font-size: 1.05rem; margin: 0; }
.slide, .source, figcaption, .where { color: var(--pale); font-size: .875rem; }
p { margin: .35rem 0; }
.claim { font-size: 1.05rem; }
.verdict { font-weight: 600; }
.holds { color: #1a7f37; } .limits { color: #9a6700; } .fails { color: #c2410c; } .unknown { color: var(--pale); }
@media (prefers-color-scheme: dark) {
  .holds { color: #4ac26b; } .limits { color: #e3b341; } .fails { color: #ff9b5c; }
}
dl { display: grid; grid-template-columns: 4rem 1fr; gap: .15rem .75rem; margin: .5rem 0; }
dt { color: var(--pale); } dd { margin: 0; overflow-wrap: anywhere; }
code { font: .85em ui-monospace, monospace; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: .75rem; }
figure { margin: 0; max-width: 100%; }
figure svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td { border-top: 1px solid var(--faint); padding: .25rem .5rem; vertical-align: top; }
a { color: inherit; }
`

/** The whole page. */
export function lectureHtml(report: LectureReport): string {
  const { rows, device, created, environment, seconds } = report
  const commit = environment.commit ? `, commit ${environment.commit}` : ''
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Efficient attention: the lecture, run</title>
<style>${style}</style>
</head>
<body class="auto">
<h1>The lecture, run</h1>
<p>Every claim of a lecture on efficient attention that something can be run for: what is claimed, what was
run, what came out.</p>
<p class="where">${escape(`${device.name}${device.description ? ` (${device.description})` : ''}, ${environment.runtime}, ${environment.platform}${commit}; ${created}, ${Math.round(seconds)} s`)}</p>
<table>
${rows.map(overview).join('\n')}
</table>
${rows.map(section).join('\n')}
</body>
</html>
`
}

function overview({ number, claim, verdict }: LectureRow): string {
  return `<tr><td>${number}</td><td class="${classes[verdict]}">${verdict}</td><td><a href="#claim-${number}">${escape(claim)}</a></td></tr>`
}

function section(row: LectureRow): string {
  const { number, slide, claim, source, command, ran, found, verdict, why, figures = [] } = row
  return `<section id="claim-${number}">
<h2>${number}. ${escape(slide)}</h2>
<p class="claim">${escape(claim)}</p>
<p class="source">${escape(source)}</p>
<dl>
<dt>shown by</dt><dd><code>${escape(command)}</code></dd>
${verdict === 'not run' ? '' : `<dt>ran</dt><dd>${escape(ran)}</dd>\n<dt>found</dt><dd>${escape(found)}</dd>`}
</dl>
<p><span class="verdict ${classes[verdict]}">${verdict}</span>${why === undefined ? '' : `: ${escape(why)}`}</p>
${figures.length === 0 ? '' : `<div class="figures">\n${figures.map(({ caption, svg }) => `<figure>${svg}<figcaption>${escape(caption)}</figcaption></figure>`).join('\n')}\n</div>`}
</section>`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
