/** @file How the page that compares runs looks, and a study's. */

export function compareStyle(): string {
  return `
.compare-runs { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; }
.compare-form textarea { display: block; width: 100%; max-width: 40rem; margin-top: .2rem; }
.compare-form input[type=number] { width: 9rem; }
.compare-grid th small { min-height: 1.3em; }
table.compare-grid { min-width: 0; }
table.compare-grid td.compare-cell { min-width: 6rem; }
.compare-picture { width: 128px; height: 128px; max-width: none; }
.compare-pick { padding: 3px; border-color: transparent; background: none; }
.compare-pick[aria-pressed=true] { border-color: var(--link); background: var(--link); }
.compare-next { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 0 2.5rem; }
.compare-start { min-width: 0; }
.compare-start .form-field { max-width: 26rem; }
.wipe { margin: 1rem 0; max-width: 512px; }
.wipe-words { display: flex; justify-content: space-between; gap: 1rem; font-size: .9rem; }
.wipe-words b { overflow-wrap: anywhere; }
.wipe-words b:last-child { text-align: right; }
.wipe-box { position: relative; }
.wipe-box img { width: 100%; aspect-ratio: 1; }
.wipe-top { position: absolute; inset: 0; }
.wipe-line { position: absolute; top: 0; bottom: 0; width: 2px; margin-left: -1px; background: var(--link); pointer-events: none; }
.wipe-slider { width: 100%; }
input[type=file] { max-width: 100%; }
.study-facts { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem; margin: 1rem 0; }
.study-facts dt { color: var(--soft); }
.study-facts dd { margin: 0; overflow-wrap: anywhere; }
`;
}
