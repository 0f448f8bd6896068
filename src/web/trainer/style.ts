/** @file What the trainer's page has beside the looks of the studio. */
export const trainerStyle = `
.drop { border: 2px dashed var(--line); border-radius: 12px; padding: 2.4rem 1.2rem; text-align: center; margin: 1.4rem 0; background: var(--raised); }
.drop.is-over { border-color: var(--link); }
.drop p { margin: .4rem auto; }
.drop .choose { display: flex; flex-wrap: wrap; gap: .6rem; justify-content: center; margin-top: 1rem; }
.drop strong { font-size: 1.15rem; }
.plan { width: auto; min-width: 0; margin: 1rem 0; }
.plan th { font-weight: 500; color: var(--soft); padding-right: 1.2rem; }
.plan td { overflow-wrap: anywhere; }
.actions { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin: 1.1rem 0; }
.actions .apart { margin-left: auto; }
.actions input[type=number] { width: 5.5rem; }
.under-way { margin: 1.2rem 0; }
.under-way .bar { height: 8px; border-radius: 4px; background: var(--grid); overflow: hidden; margin: .5rem 0; }
.under-way .bar span { display: block; height: 100%; background: var(--link); transition: width .3s; }
.under-way p { max-width: none; font-variant-numeric: tabular-nums; }
.is-resting .bar { display: none; }
.said { list-style: none; padding: 0; margin: .6rem 0; font-size: .88rem; color: var(--soft); max-height: 11rem; overflow: auto; }
.said li { padding: .15rem 0; overflow-wrap: anywhere; white-space: pre-wrap; }
.left-out { font-size: .9rem; margin: .4rem 0; }
.left-out ul { margin: .3rem 0; padding-left: 1.1rem; max-height: 14rem; overflow: auto; }
.left-out li { overflow-wrap: anywhere; }
@media (max-width: 600px) { .actions .apart { margin-left: 0; } .plan th, .plan td { display: block; padding: .2rem 0; border: 0; } .plan td { padding-bottom: .5rem; } }
`;
