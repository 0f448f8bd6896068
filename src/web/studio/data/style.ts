/** @file How the pages of data look. */

export function dataStyle(): string {
  return `
.data-list { list-style: none; margin: 1.2rem 0; padding: 0; max-width: 40rem; }
.data-list a {
  display: block; padding: .7rem 1rem; margin-bottom: .6rem; border: 1px solid var(--line); border-radius: 8px; color: var(--ink);
  text-decoration: none; font-weight: 600; overflow-wrap: anywhere;
}
.data-list a:hover { border-color: var(--soft); }
.data-filters { display: flex; flex-wrap: wrap; gap: .6rem 1.2rem; margin: 1.2rem 0 .6rem; align-items: end; }
.data-filter { margin: 0; display: flex; flex-direction: column; gap: .15rem; }
.data-filter input, .data-filter select { min-height: 2.5rem; }
.data-filter label { color: var(--soft); }
.data-sheet { list-style: none; margin: .8rem 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(6.4rem, 1fr)); gap: .7rem .6rem; }
.data-cell {
  all: unset; box-sizing: border-box; cursor: pointer; display: flex; flex-direction: column; width: 100%; position: relative; border-radius: 6px;
}
.data-cell img { width: 100%; height: auto; aspect-ratio: 1; object-fit: contain; }
.data-cell:hover img { outline: 2px solid var(--soft); }
.data-cell:focus-visible { outline: 2px solid var(--link); outline-offset: 3px; }
.data-cell span {
  font-size: .74rem; line-height: 1.3; margin-top: .25rem; color: var(--soft); overflow-wrap: anywhere;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden;
}
.data-cell i {
  position: absolute; top: 4px; left: 4px; font: 600 .66rem/1.5 system-ui, sans-serif; padding: 0 .4em; border-radius: 4px;
  background: var(--paper); color: var(--ink); border: 1px solid var(--line);
}
.data-broken { aspect-ratio: 1; display: grid; place-items: center; background: var(--raised); }
.data-pager { display: flex; gap: .5rem; align-items: center; }
.data-pager input { width: 5rem; }
.data-problems { font-size: .9rem; }
.data-problems li { margin: .15rem 0; overflow-wrap: anywhere; }
.data-dialog {
  color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.2rem;
  max-width: min(1120px, calc(100vw - 1rem)); max-height: calc(100vh - 1rem); overflow: auto;
}
.data-dialog::backdrop { background: rgb(0 0 0 / .5); }
.data-dialog-head { display: flex; gap: .5rem; margin: 0 0 .6rem; max-width: none; }
.data-dialog-head button:last-child { margin-left: auto; }
.data-name { overflow-wrap: anywhere; font-size: .88rem; }
.data-caption { font-size: 1.05rem; max-width: 60rem; }
.data-pieces { display: flex; flex-wrap: wrap; gap: 3px 2px; }
.data-piece { background: var(--raised); border: 1px solid var(--line); border-radius: 4px; padding: .1em .05em; white-space: pre; }
.data-cut { text-decoration: line-through; color: var(--bad); }
.data-large { max-width: 100%; height: auto; min-width: min(256px, 100%); }
.data-pair { display: flex; flex-wrap: wrap; gap: 1rem; }
.data-pair > figure { max-width: 100%; }
.data-pair > p { flex-basis: 100%; }
.data-scroll { overflow: auto; max-width: 100%; }
.data-zoom { position: relative; }
.data-zoom img { display: block; max-width: none; }
.data-grid {
  position: absolute; inset: 0; pointer-events: none; opacity: .55;
  background-image: linear-gradient(to right, #888 1px, transparent 1px), linear-gradient(to bottom, #888 1px, transparent 1px);
}
.data-no-grid .data-grid { display: none; }
.data-waiting { width: 16rem; max-width: 100%; aspect-ratio: 1; display: grid; place-items: center; background: var(--raised); color: var(--soft); }
.data-twins { border-left: 3px solid var(--line); padding-left: .8rem; }
.data-twins li { max-width: 8rem; overflow-wrap: anywhere; }
`;
}
