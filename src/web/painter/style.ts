/** @file How the page that paints looks, beside what it has of the studio. */
export const painterStyle = `
body { max-width: 1080px; padding-top: 0; }
.top { margin-bottom: 1.4rem; }
.painter {
  display: grid; grid-template-columns: minmax(0, 21rem) minmax(0, 1fr); grid-template-rows: auto 1fr; gap: 1.2rem 3rem; align-items: start;
  grid-template-areas: "ask stage" "more stage" "strip strip" "foot foot";
}
.ask { grid-area: ask; }
.stage { grid-area: stage; width: 100%; max-width: 32rem; justify-self: center; }
.more { grid-area: more; display: grid; gap: .9rem; }
.strip-of-results { grid-area: strip; }
.painter footer { grid-area: foot; margin-top: 1rem; }
.painter footer p { max-width: 46rem; }
.ask-caption label { display: block; font-size: 1.45rem; font-weight: 650; letter-spacing: -.015em; line-height: 1.25; margin-bottom: .6rem; }
.ask-caption input { width: 100%; font-size: 1.15rem; padding: .6rem .8rem; }
.ask-go { display: flex; gap: .6rem; margin: .7rem 0 0; }
.ask-go button, .actions button { padding: .5rem 1.1rem; }
.ask-help { min-height: 7.5rem; }
.ask-help .paint-offers { gap: .4rem; margin-top: .8rem; }
.ask-help .paint-offers .soft { flex-basis: 100%; }
.ask-help button.paint-offer { padding: .22rem .75rem; }
.ask-settings { border-top: 1px solid var(--line); padding-top: .7rem; }
.ask-settings summary, .painter footer summary { cursor: pointer; font-weight: 600; }
.ask-setting { display: grid; gap: .15rem; margin: .8rem 0; }
.ask-setting input { width: 100%; }
.ask-setting input[type=number] { width: 9rem; }
.ask-setting output { color: var(--soft); font-variant-numeric: tabular-nums; }
.ask-ends { display: flex; justify-content: space-between; }
.ask-own { border-top: 1px solid var(--line); padding-top: .9rem; margin: 0; display: grid; gap: .4rem; justify-items: start; }
.board { position: relative; line-height: 0; }
.board canvas { width: 100%; height: auto; aspect-ratio: 1; border-radius: 10px; background: var(--raised); display: block; outline: 1px solid var(--grid); }
.loading {
  position: absolute; inset: 0; display: grid; align-content: center; justify-items: center; gap: .7rem; line-height: 1.5; padding: 1.5rem;
  border-radius: 10px; text-align: center; font-variant-numeric: tabular-nums; background: color-mix(in srgb, var(--paper) 78%, transparent);
}
.loading[hidden] { display: none; }
.loading .failure { text-align: left; background: var(--paper); padding: .6rem 1rem; }
.loading progress { width: min(16rem, 80%); accent-color: var(--link); }
.under { display: flex; gap: .8rem; align-items: center; min-height: 2.4rem; margin-top: .5rem; }
.under .said { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.under button { margin-left: auto; }
.actions { display: flex; flex-wrap: wrap; gap: .6rem; margin: .3rem 0 0; }
.actions[hidden] { display: none; }
.is-editing .board, .is-editing .under, .is-editing .stage > .actions { display: none; }
.part-editor h2 { margin: 0; padding: 0; border: 0; }
.part-editor .paint-mask .paint-board { max-width: none; }
.part-editor .paint-board img { border-radius: 10px; image-rendering: auto; }
.strip-of-results h2 { font-size: 1rem; margin: .6rem 0 .6rem; }
.strip-of-results ul { display: flex; gap: .6rem; margin: 0; padding: 4px; list-style: none; overflow-x: auto; }
.strip-of-results button { padding: 0; border: 0; background: none; line-height: 0; border-radius: 8px; }
.strip-of-results canvas { width: 84px; height: 84px; border-radius: 8px; }
.strip-of-results [aria-current] { outline: 2px solid var(--link); outline-offset: 2px; }
.credit { white-space: pre-line; overflow-wrap: anywhere; font-size: .92em; }
@media (max-width: 760px) {
  .painter { grid-template-columns: minmax(0, 1fr); grid-template-rows: none; gap: 1rem; grid-template-areas: "ask" "stage" "strip" "more" "foot"; }
  .top { margin-bottom: .9rem; padding: .6rem 0; }
  .ask-help { min-height: 0; }
  .ask-help .paint-offers { flex-wrap: nowrap; overflow-x: auto; scrollbar-width: none; padding: 2px 1rem 2px 2px; margin-right: -1rem; }
  .ask-help .paint-offers .soft { flex-basis: auto; white-space: nowrap; align-self: center; }
  .ask-help button.paint-offer { flex: none; padding: .35rem .85rem; }
  .actions button { flex: 1 1 40%; }
  .stage { max-width: none; }
}
@media print { .ask, .more, .actions, .under { display: none; } }
`;
