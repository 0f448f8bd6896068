/**
 * @file The look of the page: light, dark and printed. Every family brings its own colours; those of the program are
 * Okabe and Ito's, which people with any colour vision tell apart, and lighter on dark.
 */
import { allFamilies } from '../families/families.ts';

/** One variable a family. */
function colours(paper: 'light' | 'dark'): string {
  return allFamilies()
    .map(({ name, words }) => `--tone-${name}: ${words.colour[paper]};`)
    .join(' ');
}

/** The style sheet of a page that may show any registered family. */
export function pageStyle(): string {
  const tones = allFamilies().map(({ name }) => `.tone-${name} { color: var(--tone-${name}); }`);
  return `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --raised: #f6f7f9; --ink: #1c2128; --soft: #59636e; --line: #d9dee4; --grid: #e8ebef;
  ${colours('light')} --real: #6b7580; --link: #0072b2; --warn: #c65102;
  --good: #00714f; --bad: #b3340c; --mark: #fff3d6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --raised: #1d2329; --ink: #e6e9ed; --soft: #9ba5b0; --line: #343c45; --grid: #272e36;
    ${colours('dark')} --real: #9aa5b1; --link: #56b4e9; --warn: #f5894a;
    --good: #3dcf9f; --bad: #ff8a63; --mark: #453a1c;
  }
}
@media print {
  :root {
    color-scheme: light;
    --paper: #ffffff; --raised: #f6f7f9; --ink: #000000; --soft: #444444; --line: #cccccc; --grid: #e5e5e5;
    ${colours('light')} --real: #6b7580; --link: #0072b2; --warn: #c65102;
    --good: #00714f; --bad: #b3340c; --mark: #fff3d6;
  }
}
* { box-sizing: border-box; }
html { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
body {
  margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 1180px; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { margin: 0 0 .3rem; font-size: 2rem; line-height: 1.2; letter-spacing: -.015em; }
h2 { margin: 3rem 0 .4rem; padding-top: 1.1rem; border-top: 1px solid var(--line); font-size: 1.3rem; letter-spacing: -.01em; }
h3 { margin: 1.8rem 0 .3rem; font-size: 1rem; }
p { margin: .4rem 0; max-width: 46rem; }
.lead { color: var(--soft); }
.soft, .missing { color: var(--soft); }
a { color: var(--link); }
code {
  font: .86em ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; background: var(--raised);
  padding: .1em .35em; border-radius: 4px; overflow-wrap: anywhere;
}
nav { margin: 1rem 0 0; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; font-size: .92rem; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
.findings {
  margin: 1rem 0 0; padding: 0; display: grid; grid-template-columns: 8.5rem 1fr; border-top: 1px solid var(--line);
}
.findings dt, .findings dd { margin: 0; padding: .6rem 0; border-bottom: 1px solid var(--line); }
.findings dt { color: var(--soft); font-size: .92rem; }
.findings dd { max-width: none; }
.findings p { max-width: 52rem; margin: 0 0 .3rem; }
.findings p:last-child { margin: 0; }
.wide { overflow-x: auto; margin: .8rem 0 1.2rem; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; min-width: 100%; }
caption { caption-side: top; text-align: left; color: var(--soft); padding: 0 0 .5rem; max-width: 60rem; }
th, td { padding: .42rem .8rem .42rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--grid); }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--line); vertical-align: bottom; }
tbody th { font-weight: 600; max-width: 17rem; }
td small, th small { display: block; color: var(--soft); font-weight: 400; font-size: .9em; }
table.results tbody th { min-width: 14rem; }
table.results tbody th small { overflow-wrap: anywhere; }
table.results td small { max-width: 9rem; }
td.best { background: var(--mark); box-shadow: -6px 0 0 var(--mark); }
td.best b::after { content: " best"; font-weight: 500; font-size: .82em; color: var(--good); }
.anchor { color: var(--soft); }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: 600; }
.nowrap { white-space: nowrap; }
.swatch { display: inline-block; width: .72em; height: .72em; border-radius: 2px; margin-right: .4em; background: currentColor; }
${tones.join('\n')}
.tone-real { color: var(--real); }
.charts { display: flex; flex-wrap: wrap; gap: 1.2rem 26px; margin: .9rem 0; align-items: flex-start; }
figure { margin: 0; break-inside: avoid; }
figcaption { font-size: .9rem; margin-bottom: .35rem; font-weight: 600; }
svg.chart { max-width: 100%; height: auto; display: block; overflow: visible; }
svg text { font: 11.5px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--soft); }
svg .label { fill: var(--soft); }
svg .name { fill: currentColor; font-weight: 600; }
svg .rowname { fill: var(--ink); font-size: 12px; }
svg .guided { font-size: 11px; }
svg .grid { stroke: var(--grid); stroke-width: 1; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .edge { stroke: none; }
svg .guide { stroke: var(--real); stroke-width: 1; stroke-dasharray: 2 3; }
svg .line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
svg .thin { stroke-width: 1; }
svg .dash-1 { stroke-dasharray: 7 4; stroke-linecap: butt; }
svg .dash-2 { stroke-dasharray: 2 4; }
svg .dash-3 { stroke-dasharray: 9 3 2 3; stroke-linecap: butt; }
svg .band { fill: currentColor; opacity: .16; }
svg .dot, svg .value { fill: currentColor; }
svg .cross { fill: none; stroke: currentColor; stroke-width: 2.5; stroke-linecap: round; }
svg .interval { stroke: currentColor; stroke-width: 2.5; stroke-linecap: round; opacity: .55; }
svg .bar { fill: currentColor; opacity: .75; }
svg .outline { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .6rem 0 0; padding: 0; font-size: .88rem; }
.legend svg { vertical-align: middle; margin-right: .4em; }
img { image-rendering: pixelated; background: var(--raised); border-radius: 3px; display: block; outline: 1px solid var(--grid); }
table.grid th, table.grid td { border-bottom: 1px solid var(--grid); padding: .35rem .9rem .35rem 0; vertical-align: middle; }
table.grid thead th { vertical-align: bottom; }
table.grid tbody th { font-weight: 400; min-width: 7.5rem; max-width: 13rem; line-height: 1.3; overflow-wrap: anywhere; }
.some { display: flex; gap: 3px; }
.strip { display: flex; flex-wrap: wrap; gap: .55rem; margin: .5rem 0 1rem; padding: 0; list-style: none; }
.strip li { font-size: .72rem; color: var(--soft); text-align: center; }
.strip img { margin-bottom: 2px; }
.warning { border-left: 3px solid var(--warn); padding: .1rem 0 .1rem .9rem; max-width: 52rem; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .88rem; }
@media (max-width: 600px) { .findings { grid-template-columns: 1fr; } .findings dt { border: 0; padding-bottom: 0; } }
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  nav { display: none; }
  h2 { break-after: avoid; }
  tr, li { break-inside: avoid; }
  .wide { overflow: visible; }
}
`;
}
