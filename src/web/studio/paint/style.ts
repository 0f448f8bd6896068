/** @file How the painting page looks. */

export function paintStyle(): string {
  return `
.paint { display: grid; grid-template-columns: minmax(0, 22rem) minmax(0, 1fr); gap: 2.2rem; align-items: start; margin-top: 1.2rem; }
.paint-left { display: grid; gap: .9rem }
.paint-form { display: grid; gap: .8rem; }
.paint textarea { width: 100%; resize: vertical; display: block; margin-top: .25rem; }
.paint-row { display: flex; flex-wrap: wrap; gap: .5rem .8rem; align-items: end; margin: 0; }
.paint-row button { white-space: nowrap; }
.paint-field { margin: 0; display: grid; gap: .2rem; }
.paint-field input[type=number] { width: 6.5rem; }
.paint-field select { max-width: 100%; }
.paint-setting { grid-template-columns: 6.5rem 6.5rem 1fr; align-items: center; gap: 0 .7rem; padding: .35rem 0; }
.paint-setting small { grid-column: 1 / -1; line-height: 1.35; }
.paint-none { margin-top: .7rem; font-size: .88rem; }
.paint-none p { margin: 0 0 .3rem; }
.paint-none .paint-field input { width: 5.5rem; }
.paint summary { cursor: pointer; font-weight: 600; font-size: .95rem; }
.paint-left details { border-top: 1px solid var(--line); padding-top: .6rem; }
.paint-offers { display: flex; flex-wrap: wrap; gap: .3rem .35rem; align-items: baseline; margin: .5rem 0 0; font-size: .88rem; }
.paint-unseen { font-size: .88rem; color: var(--warn); margin: .4rem 0 0; }
.paint-unseen:empty { display: none; }
button.paint-offer { max-width: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; padding: .05rem .55rem; border-radius: 1rem; font-size: .86rem; background: var(--paper); }
button.paint-link { border: 0; background: none; padding: 0; color: var(--link); text-decoration: underline; }
label.button { border: 1px solid var(--line); border-radius: 6px; padding: .38rem .7rem; background: var(--raised); cursor: pointer; display: inline-block; }
input:focus-visible + label.button { outline: 2px solid var(--link); outline-offset: 2px; }
.paint-drop { border: 1px dashed var(--line); border-radius: 8px; padding: .9rem; margin: .6rem 0; font-size: .9rem; }
.paint-over { border-color: var(--link); background: var(--raised); }
.paint-board { position: relative; line-height: 0; }
.paint-board img { width: 100%; height: auto; aspect-ratio: 1; }
.paint-board canvas { position: absolute; inset: 0; width: 100%; height: 100%; border-radius: 3px; }
.paint-mask .paint-board { max-width: 22rem; }
.paint-mask .paint-board canvas { cursor: crosshair; touch-action: none; }
.paint-tools { display: grid; gap: .6rem; margin-top: .6rem; }
.paint-tools p { margin: 0; }
.paint-tools .paint-row { align-items: center; }
.paint-tools input[type=number] { width: 4.5rem; }
.paint-tools input[type=range] { width: 100%; }
.paint-said:empty { display: none; }
.paint-keys { font-size: .82rem; line-height: 1.4; }
.paint-about { display: flex; gap: .8rem; margin-top: .8rem; font-size: .82rem; line-height: 1.4; }
.paint-about p { margin: 0; }
.paint-given { width: 64px; height: 64px; flex: none; }
.paint-go { display: flex; gap: .8rem; align-items: center; margin: 0; padding: .7rem 0; position: sticky; bottom: 0; z-index: 1; background: var(--paper); }
.paint-go button { padding-left: 1.6rem; padding-right: 1.6rem; }
.paint-grey img { filter: grayscale(1) contrast(.45) brightness(1.25); }
.paint-heat { image-rendering: pixelated; pointer-events: none; }
.paint-looks { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; align-items: center; font-size: .9rem; padding-bottom: .7rem; border-bottom: 1px solid var(--line); min-height: 2.4rem; }
.paint-looks kbd { font: .8em ui-monospace, monospace; border: 1px solid var(--line); border-radius: 4px; padding: 0 .35em; color: var(--soft); }
.paint-legend { flex-basis: 100%; margin: 0; font-size: .84rem; }
.paint-legend canvas { width: 7rem; height: .7em; border: 1px solid var(--line); background: #fff; vertical-align: baseline; }
.paint-painting { padding: 1rem 0 1.3rem; border-bottom: 1px solid var(--grid); }
.paint-painting h3 { margin: .5rem 0 .5rem; overflow-wrap: anywhere; }
.paint-order { margin: 0; font-size: .84rem; }
.paint-state { display: flex; gap: .8rem; align-items: center; font-size: .9rem; margin: .4rem 0; min-height: 2.2rem; }
.paint-state:empty { display: none; }
.paint-state progress { accent-color: var(--link); width: 8rem; }
.paint-pictures { display: grid; grid-template-columns: repeat(auto-fill, var(--side)); gap: .9rem; }
.paint-picture figcaption { display: flex; gap: .8rem; font-weight: 400; font-size: .82rem; margin: .25rem 0 0; }
.paint-empty .paint-board { background: var(--raised); }
.paint-empty img { visibility: hidden; }
.paint-near { display: flex; gap: .5rem; align-items: center; margin-top: .3rem; font-size: .8rem; line-height: 1.3; overflow-wrap: anywhere; }
.paint-near:empty { display: none; }
.paint-near img { width: 40px; height: 40px; flex: none; }
.paint-after { margin-top: .8rem; font-size: .9rem; }
.paint-after .command { max-width: none; }
@media (max-width: 800px) {
  .paint { grid-template-columns: minmax(0, 1fr); gap: 1.4rem; }
  .paint-offers .paint-offer:nth-of-type(n+7) { display: none; }
  .paint-form .paint-row { flex-wrap: nowrap; }
  .paint-form .paint-row input { width: 100%; }
}
`;
}
