/** @file How the pages of runs look. */

/** Colours of runs that are laid over each other (Okabe and Ito), on light and on dark paper. */
const RUNS = [
  ['#0072b2', '#56b4e9'],
  ['#c65102', '#f5894a'],
  ['#00714f', '#3dcf9f'],
  ['#a3457f', '#e29ac6'],
  ['#7a6300', '#e6c229'],
  ['#59636e', '#b4bec9'],
] as const;

export function runsStyle(): string {
  const tones = (paper: 0 | 1) => RUNS.map((colours, i) => `--run-${i}: ${colours[paper]};`).join(' ');
  return `
:root { ${tones(0)} }
@media (prefers-color-scheme: dark) { :root { ${tones(1)} } }
@media print { :root { ${tones(0)} } }
${RUNS.map((_, i) => `.tone-run-${i} { color: var(--run-${i}); }`).join('\n')}
.tone-first { color: var(--run-0); }
.tone-second { color: var(--run-1); }
.tone-faint { color: var(--line); }
.cards { list-style: none; margin: 1.2rem 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(15.5rem, 1fr)); gap: 1rem; }
.card { border: 1px solid var(--line); border-radius: 8px; overflow: hidden; position: relative; background: var(--paper); }
.card:hover, .card:focus-within { border-color: var(--soft); }
.card .words { padding: .7rem .9rem .8rem; }
.card h2 { all: unset; display: block; font-weight: 600; overflow-wrap: anywhere; line-height: 1.3; }
.card h2 a { color: inherit; text-decoration: none; }
.card h2 a::after { content: ""; position: absolute; inset: 0; }
.card p { margin: .15rem 0; font-size: .86rem; }
.card .look { height: 8.5rem; background: var(--raised); overflow: hidden; border-bottom: 1px solid var(--grid); }
.card .look img { width: 100%; height: 100%; object-fit: cover; object-position: top left; outline: 0; border-radius: 0; }
.card .look p { display: flex; height: 100%; align-items: center; justify-content: center; color: var(--soft); margin: 0; }
.card .bar { height: 3px; background: var(--grid); }
.card .bar span { display: block; height: 100%; background: var(--soft); }
.card.is-live .bar span { background: var(--good); }
.home-tools { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; margin: 1rem 0 0; }
.home-tools input[type=search] { flex: 1 1 14rem; max-width: 26rem; }
.places { list-style: none; margin: .6rem 0; padding: 0; }
.places li { padding: .45rem 0; border-bottom: 1px solid var(--grid); }
.live { display: inline-block; width: .62em; height: .62em; border-radius: 50%; background: var(--good); margin-right: .45em; animation: beat 2s ease-in-out infinite; }
@keyframes beat { 50% { opacity: .35; } }
.run-links { display: flex; gap: .6rem; margin: .8rem 0 0; }
a.button { border: 1px solid var(--line); border-radius: 6px; padding: .38rem .8rem; text-decoration: none; background: var(--raised); color: var(--ink); }
a.button:hover { border-color: var(--soft); }
.run-facts { margin-bottom: 1.2rem; }
.stages { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1.2rem 0; }
.stages button { flex: 1 1 9rem; min-width: 0; text-align: left; padding: .5rem .8rem .6rem; display: grid; gap: .1rem; background: var(--paper); }
.stages button[aria-selected=true] { border-color: var(--link); box-shadow: inset 0 0 0 1px var(--link); }
.stage-name { font-weight: 600; }
.stage-state { font-size: .84rem; color: var(--soft); }
.stage-bar { height: 4px; border-radius: 2px; background: var(--grid); overflow: hidden; margin-top: .25rem; }
.stage-bar span { display: block; height: 100%; background: var(--link); }
.run-others { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin: 0 0 1.2rem; font-size: .9rem; }
.run-others select { max-width: 100%; }
.chip { border-color: currentColor; background: var(--paper); font-weight: 600; padding: .2rem .6rem; }
.run-front { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 26px; align-items: start; }
.run-charts { display: flex; flex-wrap: wrap; gap: 1.6rem 26px; margin: 1.4rem 0; }
.graph { min-width: 0; }
.graph figcaption { display: flex; flex-wrap: wrap; gap: 0 .8rem; justify-content: space-between; min-height: 1.5em; }
.readout { font-weight: 400; color: var(--soft); font-variant-numeric: tabular-nums; }
.plot { touch-action: pan-y; }
.plot .cursor { stroke: var(--soft); stroke-width: 1; }
.plot .begun { stroke: var(--link); stroke-width: 2; }
.run-controls { display: flex; flex-wrap: wrap; gap: .5rem 1.3rem; align-items: center; margin: 1.2rem 0 0; padding: .6rem 0; border-top: 1px solid var(--grid); border-bottom: 1px solid var(--grid); }
.run-controls label { display: inline-flex; gap: .45rem; align-items: center; }
.run-controls .step { width: 6.5rem; }
.sheet-head { display: flex; gap: .8rem; align-items: center; justify-content: space-between; font-size: .9rem; font-weight: 600; margin: 0 0 .35rem; min-height: 1.5em; max-width: none; }
.sheet-head input { flex: 1; max-width: 18rem; min-width: 6rem; }
.sheets { display: grid; gap: 1rem; }
.sheets img { max-width: 100%; height: auto; }
.sheets figcaption:empty { display: none; }
.run-settings th { font-weight: 500; white-space: nowrap; }
.run-value { overflow-wrap: anywhere; min-width: 5rem; }
summary { cursor: pointer; color: var(--link); padding: .3rem 0; }
@media (max-width: 760px) { .run-front { grid-template-columns: minmax(0, 1fr); } }
`;
}
