/** @file The look of the page that asks: two pictures as large as fit, few words, large targets; light and dark. */

export const takeStyle = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --raised: #f3f4f6; --ink: #1c2128; --soft: #59636e; --line: #c9d0d8; --link: #005f97; --on-link: #ffffff;
  --good: #00714f; --bad: #a32f0b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --raised: #20262d; --ink: #e6e9ed; --soft: #a3adb8; --line: #414a54; --link: #6cc0f0; --on-link: #10151a;
    --good: #3dcf9f; --bad: #ff8a63;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh; background: var(--paper); color: var(--ink);
  font: 17px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; overscroll-behavior: none;
}
main { max-width: 44rem; margin: 0 auto; padding: 1rem; display: flex; flex-direction: column; gap: .8rem; }
main.words { padding-top: 12vh; max-width: 36rem; gap: 1rem; }
h1 { margin: 0; font-size: 1.35rem; line-height: 1.3; font-weight: 650; text-wrap: balance; }
main.words h1 { font-size: 1.6rem; }
h1:focus { outline: none; }
p { margin: 0; }
.consent { padding: .8rem 1rem; background: var(--raised); border-radius: 8px; font-size: .95rem; white-space: pre-line; }
.soft { color: var(--soft); font-size: .92rem; }
code { font: .9em ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
button, a.main, a.quiet { font: inherit; color: inherit; touch-action: manipulation; cursor: pointer; -webkit-tap-highlight-color: transparent; }
button:disabled { cursor: default; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
button.main, a.main {
  align-self: flex-start; display: inline-block; min-height: 48px; padding: .65rem 1.5rem; border: 0; border-radius: 10px;
  background: var(--link); color: var(--on-link); font-weight: 600; text-decoration: none;
}
a.quiet { color: var(--link); }
.head { display: flex; align-items: center; gap: .8rem; color: var(--soft); font-size: .9rem; font-variant-numeric: tabular-nums; }
.head progress { flex: 1; height: 6px; min-width: 2rem; accent-color: var(--link); }
.pause { min-height: 40px; padding: .3rem .9rem; border: 1px solid var(--line); border-radius: 8px; background: none; }
main.trial { text-align: center; }
.caption { font-size: 1.25rem; font-weight: 500; overflow-wrap: anywhere; }
.caption::before { content: "\\201c"; } .caption::after { content: "\\201d"; }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: .8rem; justify-content: center; }
.side {
  display: flex; flex-direction: column; align-items: center; gap: .4rem; padding: .6rem; border: 2px solid var(--line); border-radius: 12px;
  background: var(--raised); min-height: 64px; justify-content: center;
}
.tie { min-height: 48px; padding: .5rem 1rem; border: 1px solid var(--line); border-radius: 10px; background: none; align-self: center; min-width: 50%; }
@media (hover: hover) { .side:enabled:hover, .tie:enabled:hover, .pause:hover { border-color: var(--link); } }
.side:enabled:active, .tie:enabled:active { background: var(--line); }
.side.answer { border-color: var(--good); box-shadow: 0 0 0 2px var(--good); }
.label { font-size: .95rem; }
kbd { font: inherit; color: var(--soft); }
.set { display: grid; gap: 4px; width: min(100%, 20rem, 46vh); }
.set.of2 { grid-template-columns: 1fr 1fr; }
.set.of3 { grid-template-columns: 1fr 1fr 1fr; }
.set.of4 { grid-template-columns: 1fr 1fr 1fr 1fr; }
.set img { width: 100%; height: auto; display: block; border-radius: 3px; image-rendering: auto; user-select: none; -webkit-user-drag: none; }
.single { display: flex; justify-content: center; }
.trial .set { visibility: hidden; }
.trial.shown .set { visibility: visible; }
.said { min-height: 1.5em; font-weight: 600; }
.trial .main { align-self: center; }
.good { color: var(--good); }
.bad { color: var(--bad); }
@media (pointer: coarse) { kbd { display: none; } }
@media (max-width: 30rem) {
  main { padding: .7rem; gap: .6rem; }
  main.words { padding-top: 6vh; }
  .sides { gap: .5rem; }
  .side { padding: .35rem; }
  .side .label { padding: .2rem 0; }
  .tie { min-width: 100%; }
}
@media (max-height: 26rem) {
  .set { width: min(100%, 36vh); }
  main { gap: .35rem; padding: .4rem .7rem; }
  main.words { padding-top: 2vh; }
  main.trial h1 { font-size: 1.1rem; }
  .caption { font-size: 1.05rem; line-height: 1.3; }
  .side { padding: .3rem; gap: .1rem; min-height: 48px; }
  .tie { min-height: 44px; padding: .3rem 1rem; }
}
@media (prefers-reduced-motion: no-preference) { .side, .tie { transition: border-color .12s; } }
`;
