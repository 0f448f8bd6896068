/** @file How the pages of runs look. */

export function runsStyle(): string {
  return `
.cards { list-style: none; margin: 1.2rem 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .9rem; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; position: relative; }
.card:hover { border-color: var(--soft); }
.card h2 { all: unset; display: block; font-weight: 600; overflow-wrap: anywhere; }
.card h2 a { color: inherit; text-decoration: none; }
.card h2 a::after { content: ""; position: absolute; inset: 0; }
.card p { margin: .15rem 0; font-size: .88rem; }
.live { display: inline-block; width: .6em; height: .6em; border-radius: 50%; background: var(--good); margin-right: .45em; }
`;
}
