/** @file How the studio's pages look: tokens, tables and charts of the reports, and what the studio has beside them. */
import { pageStyle } from '../../report/style.ts';
import { compareStyle } from './compare/style.ts';
import { dataStyle } from './data/style.ts';
import { paintStyle } from './paint/style.ts';
import { runsStyle } from './runs/style.ts';
import { worksStyle } from './trainings/style.ts';

/** Of areas, in their order. An area adds its own: a function that gives CSS, whose classes begin with its name. */
const areas: readonly (() => string)[] = [runsStyle, paintStyle, worksStyle, dataStyle, compareStyle];

const shell = `
body { padding-top: 0; }
.top {
  display: flex; flex-wrap: wrap; align-items: center; gap: .2rem 1.4rem; padding: .75rem 0; margin: 0 0 1.6rem;
  border-bottom: 1px solid var(--line);
}
.top nav { margin: 0; gap: .2rem 1.2rem; }
.top .brand { font-weight: 650; color: var(--ink); text-decoration: none; letter-spacing: -.01em; }
.top [aria-current] { color: var(--ink); font-weight: 600; }
.top .where { margin-left: auto; color: var(--soft); font-size: .88rem; overflow-wrap: anywhere; }
main:focus { outline: none; }
h1 { overflow-wrap: anywhere; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
button, input, select, textarea {
  font: inherit; color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: 6px; padding: .38rem .7rem;
}
input[type=range] { padding: 0; border: 0; accent-color: var(--link); }
input[type=checkbox], input[type=radio] { accent-color: var(--link); }
button { cursor: pointer; background: var(--raised); }
button:hover { border-color: var(--soft); }
button.main { background: var(--link); border-color: var(--link); color: var(--paper); font-weight: 600; }
button:disabled, input:disabled { opacity: .55; cursor: default; }
label { font-size: .9rem; }
.failure { border-left: 3px solid var(--bad); padding: .3rem 0 .3rem .9rem; margin: 1rem 0; max-width: 52rem; overflow-wrap: anywhere; }
.failure p { margin: .1rem 0; }
.command { display: flex; gap: .5rem; align-items: center; margin: .5rem 0; max-width: 52rem; }
.command code { flex: 1; padding: .45rem .7rem; overflow-x: auto; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 600px) { body { padding-left: 1rem; padding-right: 1rem; } .top .where { margin-left: 0; } }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; scroll-behavior: auto !important; } }
@media print { .top { display: none; } }
`;

/** The style sheet of all pages. */
export function studioStyle(): string {
  return [pageStyle(), shell, ...areas.map(area => area())].join('\n');
}
