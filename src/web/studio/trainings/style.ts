/** @file How processes and the form of a training look. */

export function worksStyle(): string {
  return `
.work { border: 1px solid var(--line); border-radius: 8px; padding: .7rem 1rem; margin: .9rem 0; }
.work-head { display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem 1rem; max-width: none; }
.work-state { font-size: .9rem; }
.work-is-running, .work-is-done { color: var(--good); }
.work-is-failed { color: var(--bad); }
.work-lines {
  font: .8rem/1.5 ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; background: var(--raised); border-radius: 6px;
  padding: .6rem .8rem; margin: .5rem 0; overflow: auto; max-height: 15rem; white-space: pre-wrap; overflow-wrap: anywhere;
}
.work details { font-size: .9rem; color: var(--soft); }
.form-group { border: 0; margin: 1.1rem 0 0; padding: 0; min-width: 0; }
.form-group legend { font-weight: 600; padding: 0; margin-bottom: .3rem; overflow-wrap: anywhere; }
.form-fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(15.5rem, 1fr)); gap: .7rem 1.4rem; }
.form-field label { display: block; font-weight: 500; }
.form-field input:not([type=checkbox]), .form-field select, .form-field textarea { width: 100%; }
.form-field small { display: block; color: var(--soft); line-height: 1.35; margin-top: .2rem; overflow-wrap: anywhere; }
.form-end { display: flex; flex-wrap: wrap; gap: .8rem 1.2rem; align-items: center; margin: 1.3rem 0; }
.form-prefix { display: flex; align-items: center; gap: .35rem; }
.form-prefix input { flex: 1; min-width: 0; }
`;
}
